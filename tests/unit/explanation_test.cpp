#include "rules/explanation.hpp"

#include <doctest/doctest.h>

#include "config/rules_file.hpp"

using namespace pgtide;

namespace {

const std::string explained_rules =
    "version: 1\n"                                                    // 1
    "all: \"'admin' in user.roles\"\n"                                // 2
    "collections:\n"                                                  // 3
    "  posts:\n"                                                      // 4
    "    subscribe: \"'reader' in user.roles\"\n"                     // 5
    "    where: record.author == user.id && user.claims.team == 3\n"  // 6
    "    hide:\n"                                                     // 7
    "      email: \"'staff' in user.roles\"\n"                        // 8
    "      pin: authenticated\n"                                      // 9
    "  pages:\n"                                                      // 10
    "    subscribe: public\n"                                         // 11
    "    show: [title]\n"                                             // 12
    "  news:\n"                                                       // 13
    "    subscribe: authenticated\n"                                  // 14
    "    hide: [sender]\n"                                            // 15
    "  closed:\n"                                                     // 16
    "    table: public.gone\n"                                        // 17
    "    subscribe: public\n"                                         // 18
    "  drafts: {}\n";                                                 // 19

std::shared_ptr<const Policy> explained_policy() {
  auto rules = std::make_shared<Rules>(std::get<Rules>(parse_rules(explained_rules, "r")));
  const auto table = [](int id, const std::string& name, std::vector<std::string> columns) {
    return Collection{.id = id,
                      .name = name,
                      .table = "public." + name,
                      .key = {"id"},
                      .columns = std::move(columns)};
  };
  auto catalog = std::make_shared<Catalog>(
      std::vector{table(1, "posts", {"id", "author", "email", "pin"}),
                  table(2, "pages", {"id", "title", "body"}), table(3, "users", {"id", "name"})},
      std::vector<std::string>{});
  return Policy::bind(std::move(rules), std::move(catalog), nullptr);
}

std::string printed(const Reason& reason) {
  if (reason.text.empty()) return "";
  return " by " + reason.text + " @" + std::to_string(reason.place.line) + ":" +
         std::to_string(reason.place.column);
}

std::string explained(const std::optional<Principal>& user, const std::string& pattern) {
  const Explanation answer =
      explain(*explained_policy(), user ? &*user : nullptr, *parse_pattern(pattern));
  std::string out = (answer.allowed ? "allowed" : "denied") + printed(answer.decision);
  for (const ExplainedCollection& collection : answer.collections) {
    out += "\n" + collection.name + (collection.open ? ": " : " closed") + collection.rows +
           printed(collection.where) + (collection.listed ? "" : " unlisted") +
           (collection.watched ? "" : collection.other_columns ? " +others" : " -others");
    for (const ExplainedColumn& column : collection.columns) {
      out += (column.visible ? " +" : " -") + column.name + printed(column.reason);
    }
  }
  return out;
}

const Principal ann_reader{.id = "ann", .roles = {"reader"}, .claims = R"({"team":3})"};
const Principal bob_staff{.id = "bob", .roles = {"reader", "staff"}, .claims = "{}"};
const Principal zed_admin{.id = "zed", .roles = {"admin"}};

}  // namespace

TEST_CASE("explanation: decision, remainder and columns, each with the line that says so") {
  CHECK(explained(ann_reader, "posts.*") ==
        "allowed by subscribe: 'reader' in user.roles @5:17\n"
        "posts: record.author == 'ann' by where: record.author == user.id && user.claims.team == 3 "
        "@6:12 +id +author -email by hide.email: 'staff' in user.roles @8:15 +pin by hide.pin: "
        "authenticated @9:12");
  CHECK(explained(std::nullopt, "pages.7") ==
        "allowed by subscribe: public @11:16\n"
        "pages: every row +id +title by show @12:12 -body by show, which does not name it @10:3");
  CHECK(explained(ann_reader, "news.*") ==
        "allowed by subscribe: authenticated @14:16\n"
        "news: every row +others -sender by hide @15:12");
}

TEST_CASE("explanation: where no row can be seen it says why") {
  const Principal other{.id = "ann", .roles = {"reader"}, .claims = R"({"team":4})"};
  for (const Principal& user : {bob_staff, other}) {
    CHECK(explained(user, "posts.*").find("posts: no row: whatever the row, `where` is false or an "
                                          "error for this user by where") != std::string::npos);
  }
}

TEST_CASE("explanation: a refusal names the line that refuses, or that there is none") {
  struct Row {
    const char* pattern;
    const char* answer;
  };
  const Row rows[] = {
      {"posts.*", "denied by subscribe: 'reader' in user.roles @5:17"},
      {"*", "denied by all: 'admin' in user.roles @2:7"},
      {"users.*", "denied by the rules do not list users @0:0"},
      {"ghosts.1", "denied by the rules do not list ghosts @0:0"},
      {"drafts.*", "denied by without `subscribe` nobody may @19:3"},
      {"closed.*",
       "denied by the collection is closed: its rules and the database contradict each other "
       "@16:3"},
      {"news.*", "denied by subscribe: authenticated @14:16"},
  };
  for (const Row& row : rows) CHECK(explained(std::nullopt, row.pattern) == row.answer);
}

TEST_CASE("explanation: of * every collection, without where and with hide") {
  CHECK(explained(zed_admin, "*") ==
        "allowed by all: 'admin' in user.roles @2:7\n"
        "closed closed +others\n"
        "drafts: every row +others\n"
        "news: every row +others -sender by hide @15:12\n"
        "pages: every row +id +title by show @12:12 -body by show, which does not name it @10:3\n"
        "posts: every row +id +author -email by hide.email: 'staff' in user.roles @8:15 +pin by "
        "hide.pin: authenticated @9:12\n"
        "users: every row unlisted +id +name");
}
