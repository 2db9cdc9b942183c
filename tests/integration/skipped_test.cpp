// A change that could not be sent and was skipped stays a problem on every bridge, in `pgtide
// status` and in `pgtide doctor`, until somebody acknowledges it or an hour has passed.
#include <doctest/doctest.h>

#include "support/serving.hpp"

using namespace pgtide::test;

namespace {

// Rows of the log that are no JSON object, as a broken cast to json makes them.
void skip(Stage& stage, int records, int collection = 1) {
  stage.database.run(
      "insert into pgtide.log0 (collection, action, record, record_hash, new_row) "
      "select " + std::to_string(collection) + ", 'c', 'r' || g, 1, '[1]' "
      "from generate_series(1, " + std::to_string(records) + ") g");
}

ProgramEnd call(const Stage& stage, const std::vector<std::string>& arguments) {
  return run_program(arguments, {.environment = {"DATABASE_URL=" + stage.database.url()},
                                 .folder = stage.folder.path("")});
}

std::string ready_body(const Serving& serving) {
  return http(serving.address(), "GET /readyz").body;
}

void wait_for(const Serving& serving, const std::string& part, bool there = true) {
  std::string body;
  eventually([&] { return holds(body = ready_body(serving), part) == there; }, patience,
             [&] { return body; });
}

const std::string skipped_posts =
    "changes of collection posts that could not be sent were skipped: ";

}  // namespace

TEST_CASE("skipped: a change that is skipped is a problem everywhere until acknowledged") {
  Stage stage;
  stage.database.run("create table \"It's\" (id int primary key); select pgtide.watch('\"It''s\"', "
                     "'its')");
  std::optional<Serving> leader(std::in_place, stage, "leader");
  const Serving follower(stage, "follower");
  CHECK(!holds(ready_body(*leader), "skipped"));
  CHECK(call(stage, {"status"}).code == 0);
  skip(stage, 2);
  skip(stage, 1);
  skip(stage, 1, 2);
  for (const Serving* serving : std::initializer_list<const Serving*>{&*leader, &follower}) {
    wait_for(*serving, skipped_posts + "3, the last one at ");
    const std::string body = ready_body(*serving);
    CHECK(holds(body, "record 'r1': it is no JSON object in UTF-8"));
    CHECK(holds(body, "run: pgtide acknowledge posts"));
    CHECK(holds(body, "collection its that could not be sent were skipped: 1, "));
    CHECK(http(serving->address(), "GET /readyz").status == 200);
  }
  ProgramEnd end = call(stage, {"status"});
  CHECK(end.code == 1);
  CHECK(holds(end.output, skipped_posts + "3, "));
  CHECK(holds(end.output, "mend: run: pgtide acknowledge posts\n"));
  CHECK(call(stage, {"status", "--json"}).code == 1);
  end = call(stage, {"doctor"});
  CHECK(end.code == 1);
  CHECK(holds(end.output, skipped_posts + "3, "));

  leader->kill();
  leader.reset();
  eventually([&] { return follower.leads(); }, patience);
  const Serving next(stage, "next");
  wait_for(next, skipped_posts + "3, ");

  end = call(stage, {"acknowledge", "post"});
  CHECK(end.code == 1);
  CHECK(holds(end.errors, "did you mean posts?"));
  end = call(stage, {"acknowledge", "posts"});
  CHECK(end.code == 0);
  CHECK(end.output == "acknowledged: 3 changes that could not be sent\n");
  for (const Serving* serving : {&follower, &next}) {
    wait_for(*serving, skipped_posts, false);
    CHECK(holds(ready_body(*serving), "collection its "));
  }
  CHECK(!holds(call(stage, {"status"}).output, skipped_posts));
  CHECK(call(stage, {"acknowledge"}).output ==
        "acknowledged: 1 change that could not be sent\n");
  CHECK(call(stage, {"acknowledge"}).output ==
        "acknowledged: 0 changes that could not be sent\n");
  CHECK(call(stage, {"status"}).code == 0);
  CHECK(call(stage, {"doctor"}).code == 0);
  wait_for(next, "skipped", false);
}

TEST_CASE("skipped: after an hour it is told no longer, and counted anew") {
  Stage stage;
  const Serving serving(stage, "port");
  skip(stage, 2);
  wait_for(serving, skipped_posts + "2, ");
  stage.database.run("update pgtide.skipped set at = at - interval '59 minutes'; "
                     "notify pgtide_catalog");
  CHECK(call(stage, {"status"}).code == 1);
  CHECK(holds(ready_body(serving), skipped_posts + "2, "));
  stage.database.run("update pgtide.skipped set at = at - interval '1 minute'; "
                     "notify pgtide_catalog");
  wait_for(serving, skipped_posts, false);
  CHECK(call(stage, {"status"}).code == 0);
  CHECK(call(stage, {"doctor"}).code == 0);
  skip(stage, 1);
  wait_for(serving, skipped_posts + "1, ");
}

TEST_CASE("skipped: what belongs to no collection is told in one, and acknowledged with the rest") {
  Stage stage;
  const Serving serving(stage, "port");
  skip(stage, 1, 76);
  skip(stage, 1, 77);
  stage.database.run("insert into pgtide.log0 (collection, action, record, record_hash, new_row) "
                     "values (0, 'x', 'news', 2, null)");
  wait_for(serving, "what is watched no longer, or custom events, that could not be sent were "
                    "skipped: 3, ");
  CHECK(holds(ready_body(serving), "run: pgtide acknowledge\""));
  CHECK(stage.database.value("select count(*) from pgtide.skipped") == "1");
  CHECK(call(stage, {"acknowledge"}).code == 0);
  wait_for(serving, "skipped", false);
}
