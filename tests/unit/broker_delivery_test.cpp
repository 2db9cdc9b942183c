#include <doctest/doctest.h>

#include <string>

#include "broker_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string post = R"({"id":1,"title":"Hi","email":"e"})";

// A record event's text, as PROTOCOL 2 has it; `middle` is what stands after "action".
std::string record_event(const std::string& collection, const std::string& middle,
                         const std::string& id, const std::string& patterns,
                         const std::string& cursor) {
  return R"({"type":"record_event","collection":")" + collection + R"(","action":)" + middle +
         R"(,"timestamp":"2026-11-23T10:15:30.123456Z","record_id":)" + id + R"(,"patterns":[)" +
         patterns + R"(],"cursor":")" + cursor + "\"}";
}

std::string custom_event(const std::string& collection, const std::string& value,
                         const std::string& cursor) {
  return R"({"type":"custom_event","collection":)" + collection + R"(,"data":)" + value +
         R"(,"timestamp":"2026-11-23T10:15:30.123456Z","cursor":")" + cursor + "\"}";
}

std::string resync(const std::string& pattern, const std::string& reason) {
  return R"({"type":"resync_required","pattern":")" + pattern + R"(","reason":")" + reason + "\"}";
}

// How many events each of these subscribers gets of one.
std::size_t count(World& world, ConnectionNumber number) {
  return world.taken(number).size();
}

}  // namespace

TEST_CASE("broker: create, update and delete have the contract's fields in the contract's order") {
  World world;
  const auto reader = world.subscriber({"posts.*"});
  world.deliver({created("posts", "1", post),
                 updated("posts", "1", post, R"({"id":1,"title":"Ho","email":"e"})"),
                 deleted("posts", "1", post)});
  CHECK(world.taken(reader) ==
        Lines{record_event("posts", R"("create","record":)" + post, "\"1\"", "\"posts.*\"",
                           world.cursor(1)),
              record_event("posts",
                           R"("update","record":{"id":1,"title":"Ho","email":"e"},)"
                           R"("changed":["title"])",
                           "\"1\"", "\"posts.*\"", world.cursor(2)),
              record_event("posts", R"("delete","record":{"id":1})", "\"1\"", "\"posts.*\"",
                           world.cursor(3))});
}

TEST_CASE("broker: a delete carries the typed key, and id as a string where no key is called so") {
  World world;
  const auto reader = world.subscriber({"comments.*"});
  world.deliver({deleted("comments", "7,a\\,b", R"({"post":7,"n":"a,b","body":"x"})")});
  CHECK(world.taken(reader) ==
        Lines{record_event("comments", R"("delete","record":{"post":7,"n":"a,b","id":"7,a\\,b"})",
                           R"("7,a\\,b")", "\"comments.*\"", world.cursor(1))});
}

TEST_CASE("broker: a delete's id is the column's where there is one, never the record id instead") {
  const std::string whole = R"({"code":"x","id":5})";
  struct Case {
    const char* why;
    bool full;
    std::vector<HiddenColumn> hidden;
    std::string old_row;
    std::string record;
    std::string key = "code";
  };
  const Case cases[] = {
      {"the key only", false, {}, whole, R"({"code":"x"})"},
      {"watched without old rows", false, {}, R"({"code":"x"})", R"({"code":"x"})"},
      {"the whole row", true, {}, whole, whole},
      {"a hidden column", true, {{.name = "id"}}, whole, R"({"code":"x"})"},
      {"a row older than the column", true, {}, R"({"code":"x"})", R"({"code":"x"})"},
      {"a row that could not be read", false, {}, "{}", "{}"},
      {"the same, whose key is that column", false, {}, "{}", R"({"id":"x"})", "id"},
  };
  for (const Case& each : cases) {
    CAPTURE(std::string(each.why));
    CollectionRule rule = public_rule("codes");
    rule.deleted_record_full = each.full;
    rule.hide = each.hidden;
    World world(make_policy({rule}, {{.id = 1,
                                      .name = "codes",
                                      .table = "public.codes",
                                      .key = {each.key},
                                      .columns = {"code", "id"}}}));
    const auto reader = world.subscriber({"codes.*"});
    world.deliver({deleted("codes", "x", each.old_row)});
    const Lines got = world.taken(reader);
    REQUIRE(got.size() == 1);
    CHECK(got[0] == record_event("codes", R"("delete","record":)" + each.record, "\"x\"",
                                 "\"codes.*\"", world.cursor(1)));
  }
}

TEST_CASE("broker: an event reaches those whose pattern matches and nobody else") {
  struct Case {
    const char* pattern;
    std::size_t of_posts_1, of_posts_2, of_users_1, truncate, custom_posts, unlisted, everyone;
  };
  const Case cases[] = {
      // posts.1  posts.2  users.1  truncate posts  custom posts  custom unlisted  broadcast_all
      {"*", 1, 1, 1, 1, 1, 1, 1},          {"posts.*", 1, 1, 0, 1, 1, 0, 1},
      {"posts.1", 1, 0, 0, 1, 0, 0, 1},    {"posts.11", 0, 0, 0, 1, 0, 0, 1},
      {"comments.*", 0, 0, 0, 0, 0, 0, 1}, {"", 0, 0, 0, 0, 0, 0, 1},
  };
  World world;
  for (const Case& each : cases) {
    CAPTURE(each.pattern);
    const std::string pattern = each.pattern;
    const auto reader = world.subscriber(pattern.empty() ? Lines{} : Lines{pattern});
    const auto gets = [&](Event event) {
      world.deliver({std::move(event)});
      return count(world, reader);
    };
    CHECK(gets(created("posts", "1", post)) == each.of_posts_1);
    CHECK(gets(created("posts", "2", post)) == each.of_posts_2);
    CHECK(gets(created("users", "1", post)) == each.of_users_1);
    CHECK(gets(truncated("posts")) == each.truncate);
    CHECK(gets(custom("posts", "1")) == each.custom_posts);
    CHECK(gets(custom("unlisted", "1")) == each.unlisted);
    CHECK(gets(to_everyone("1")) == each.everyone);
  }
}

TEST_CASE("broker: a connection gets an event once, however many of its patterns match") {
  World world;
  const auto reader = world.subscriber({"posts.1", "*", "posts.*", "posts.2"});
  world.deliver({created("posts", "1", post)});
  CHECK(world.taken(reader) == Lines{record_event("posts", R"("create","record":)" + post, "\"1\"",
                                                  R"("*","posts.*","posts.1")", world.cursor(1))});
  world.deliver({created("posts", "3", post), custom("posts", "{}"), to_everyone("[1, 2]")});
  CHECK(world.taken(reader) == Lines{record_event("posts", R"("create","record":)" + post, "\"3\"",
                                                  R"("*","posts.*")", world.cursor(2)),
                                     custom_event("\"posts\"", "{}", world.cursor(3)),
                                     custom_event("null", "[1, 2]", world.cursor(4))});
}

TEST_CASE("broker: a truncate reaches the records' subscribers too and names all their patterns") {
  World world;
  const auto reader = world.subscriber({"posts.b", "posts.a"});
  world.deliver({truncated("posts")});
  CHECK(world.taken(reader) == Lines{record_event("posts", R"("truncate","record":null)", "null",
                                                  R"("posts.a","posts.b")", world.cursor(1))});
}

TEST_CASE("broker: events choose the actions of one subscription") {
  World world;
  const auto reader = world.subscriber({"posts.*"}, R"(["delete","custom"])");
  world.say(reader, World::subscribe("posts.1", R"(["create"])"));
  world.taken(reader);
  world.deliver({created("posts", "1", post), created("posts", "2", post),
                 deleted("posts", "1", post), truncated("posts"), custom("posts", "0")});
  CHECK(world.taken(reader) == Lines{record_event("posts", R"("create","record":)" + post, "\"1\"",
                                                  "\"posts.1\"", world.cursor(1)),
                                     record_event("posts", R"("delete","record":{"id":1})", "\"1\"",
                                                  "\"posts.*\"", world.cursor(3)),
                                     custom_event("\"posts\"", "0", world.cursor(5))});
}

TEST_CASE("broker: schema_changed becomes resync_required per pattern, whatever its events") {
  World world;
  const auto reader = world.subscriber({"posts.1", "posts.*", "comments.*", "*"}, R"(["create"])");
  const auto other = world.subscriber({"comments.*"});
  world.deliver(
      {created("posts", "2", post), schema_changed("posts"), created("posts", "2", post)});
  const Lines lines = world.taken(reader);
  REQUIRE(lines.size() == 5);
  CHECK(Lines(lines.begin() + 1, lines.end() - 1) == Lines{resync("*", "schema_changed"),
                                                           resync("posts.*", "schema_changed"),
                                                           resync("posts.1", "schema_changed")});
  CHECK(world.taken(other) == Lines{});
}

TEST_CASE("broker: hidden columns are nowhere in create, update, delete, old or custom data") {
  CollectionRule posts = public_rule("posts");
  posts.hide = {{.name = "email"}};
  posts.old = true;
  posts.deleted_record_full = true;
  World world(make_policy({posts}));
  const auto reader = world.subscriber({"posts.*"});
  world.deliver({created("posts", "1", post),
                 updated("posts", "1", post, R"({"id":1,"title":"Ho","email":"f"})"),
                 deleted("posts", "1", post), custom("posts", R"({"email":1,"more":2})")});
  CHECK(world.taken(reader) ==
        Lines{record_event("posts", R"("create","record":{"id":1,"title":"Hi"})", "\"1\"",
                           "\"posts.*\"", world.cursor(1)),
              record_event("posts",
                           R"("update","record":{"id":1,"title":"Ho"},"changed":["title"],)"
                           R"("old":{"id":1,"title":"Hi"})",
                           "\"1\"", "\"posts.*\"", world.cursor(2)),
              record_event("posts", R"("delete","record":{"id":1,"title":"Hi"})", "\"1\"",
                           "\"posts.*\"", world.cursor(3)),
              custom_event("\"posts\"", R"({"more":2})", world.cursor(4))});
}

TEST_CASE("broker: what receivers must not notice is not sent") {
  CollectionRule posts = public_rule("posts");
  posts.hide = {{.name = "email"}};
  World world(make_policy({posts, public_rule("comments")}));
  const auto reader = world.subscriber({"*"});
  const Event silent[] = {
      updated("posts", "1", post,
              R"({"id":1,"title":"Hi","email":"other"})"),           // hidden columns alone
      updated("comments", "1,1", R"({"post":1})", R"({"post":1})"),  // nothing
      custom("posts", "[\"no object under hide\"]"),                 // not to be projected
      created("posts", "1", "no object"),                            // a broken row
      created("posts", "1", ""),                                     // no row
      created("nowhere", "1", post),                                 // neither nor
  };
  for (const Event& event : silent) {
    world.deliver({event});
    CHECK(world.taken(reader) == Lines{});
  }
}

TEST_CASE("broker: without old rows an update has no changed and is always sent") {
  World world;
  const auto reader = world.subscriber({"posts.*"});
  world.deliver({updated("posts", "1", "", post)});
  CHECK(world.taken(reader) == Lines{record_event("posts", R"("update","record":)" + post, "\"1\"",
                                                  "\"posts.*\"", world.cursor(1))});
}

TEST_CASE("broker: a closed collection is silent for * as well") {
  CollectionRule posts = public_rule("posts");
  posts.hide = {{.name = "vanished"}};
  World world(make_policy({posts}));
  const auto reader = world.subscriber({"*"});
  world.deliver({created("posts", "1", post), custom("posts", "{}"), schema_changed("posts")});
  CHECK(world.taken(reader) == Lines{});
}

TEST_CASE("broker: an unlisted name reaches * only, is counted, and is told once") {
  World world;
  const auto reader = world.subscriber({"*"});
  world.deliver({custom("party", "1"), custom("party", "2"), custom("users", "3")});
  CHECK(world.taken(reader).size() == 3);
  CHECK(world.broker.counters().events_unlisted == 3);
  CHECK(world.broker.take_unlisted() == Lines{"party", "users"});
  world.deliver({custom("party", "4")});
  CHECK(world.broker.counters().events_unlisted == 4);
  CHECK(world.broker.take_unlisted() == Lines{});
}

TEST_CASE("broker: an event past event_bytes is sent with its key, truncated") {
  const std::string long_row = R"({"id":1,"title":")" + std::string(500, 'x') + R"(","email":"e"})";
  const std::string middle = R"("update","record":{"id":1},"changed":["title"],"truncated":true)";
  const auto bytes_of = [](const std::string& payload) {
    std::string frame;
    append_text_frame(frame, payload);
    return frame.size();
  };
  World probe;
  const auto whole =
      record_event("posts", R"("update","record":)" + long_row + R"(,"changed":["title"])", "\"1\"",
                   "\"posts.*\"", to_string(Cursor{9, 1, 5, 1}));
  struct Case {
    std::size_t event_bytes;
    const char* middle;
    bool is_whole;
    const char* why;
  };
  const Case cases[] = {
      {bytes_of(whole), "", true, "fits to the byte"},
      {bytes_of(whole) - 1, R"("update","record":{"id":1},"changed":["title"],"truncated":true)",
       false, "one byte too long"},
      {bytes_of(record_event("posts", middle, "\"1\"", "\"posts.*\"", to_string(Cursor{9, 1, 5}))),
       R"("update","record":{"id":1},"changed":["title"],"truncated":true)", false,
       "the truncated one fits to the byte"},
      {bytes_of(record_event("posts", middle, "\"1\"", "\"posts.*\"", to_string(Cursor{9, 1, 5}))) -
           1,
       R"("update","record":{"id":1},"truncated":true)", false, "then without changed"},
      {10, R"("update","record":{"id":1},"truncated":true)", false, "the shortest there is"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.why);
    World world(open_policy(), {.limits = {.event_bytes = each.event_bytes}});
    const auto reader = world.subscriber({"posts.*"});
    world.deliver({updated("posts", "1", post, long_row)});
    const auto expected =
        each.is_whole ? whole
                      : record_event("posts", each.middle, "\"1\"", "\"posts.*\"", world.cursor(1));
    CHECK(world.taken(reader) == Lines{expected});
    CHECK(world.broker.counters().events_truncated == (each.is_whole ? 0 : 1));
  }
}

TEST_CASE("broker: truncated events of every kind show the key and nothing hidden") {
  CollectionRule posts = public_rule("posts");
  posts.hide = {{.name = "email"}};
  posts.old = true;
  posts.deleted_record_full = true;
  World world(make_policy({posts, public_rule("comments")}), {.limits = {.event_bytes = 1}});
  const auto reader = world.subscriber({"posts.*", "comments.*"});
  world.deliver({created("posts", "1", post),
                 updated("posts", "1", post, R"({"id":1,"title":"Ho","email":"f"})"),
                 deleted("posts", "1", post),
                 created("comments", "1,2", R"({"post":1,"n":2,"body":"b"})"), truncated("posts"),
                 custom("posts", "{}")});
  CHECK(world.taken(reader) ==
        Lines{record_event("posts", R"("create","record":{"id":1},"truncated":true)", "\"1\"",
                           "\"posts.*\"", world.cursor(1)),
              record_event("posts", R"("update","record":{"id":1},"truncated":true)", "\"1\"",
                           "\"posts.*\"", world.cursor(2)),
              record_event("posts", R"("delete","record":{"id":1},"truncated":true)", "\"1\"",
                           "\"posts.*\"", world.cursor(3)),
              record_event("comments",
                           R"("create","record":{"post":1,"n":2,"id":"1,2"},"truncated":true)",
                           "\"1,2\"", "\"comments.*\"", world.cursor(4)),
              record_event("posts", R"("truncate","record":null)", "null", "\"posts.*\"",
                           world.cursor(5)),
              R"({"type":"custom_event","collection":"posts","data":null,"truncated":true,)"
              R"("timestamp":"2026-11-23T10:15:30.123456Z","cursor":")" +
                  world.cursor(6) + "\"}"});
  CHECK(world.broker.counters().events_truncated == 5);
}

TEST_CASE("broker: a full deleted record gets an id where the row has none") {
  CollectionRule comments = public_rule("comments");
  comments.deleted_record_full = true;
  World world(make_policy({comments}));
  const auto reader = world.subscriber({"comments.*"});
  world.deliver({deleted("comments", "1,2", R"({"post":1,"n":2,"body":"b"})")});
  CHECK(
      world.taken(reader) ==
      Lines{record_event("comments", R"("delete","record":{"post":1,"n":2,"body":"b","id":"1,2"})",
                         "\"1,2\"", "\"comments.*\"", world.cursor(1))});
}

TEST_CASE("broker: one class shares one run, and so does each set of classes with frames") {
  World world;
  const auto a = world.subscriber({"posts.*"});
  const auto b = world.subscriber({"posts.*", "comments.*"});
  const auto c = world.subscriber({"posts.*", "posts.1"});
  const auto d = world.subscriber({"posts.1", "posts.*", "comments.*"});
  const auto runs = [&](const Batch& batch) {
    std::map<ConnectionNumber, SharedRun> by_connection;
    world.broker.deliver(batch, [&](const Delivery& each) {
      CHECK(by_connection.emplace(each.connection, each.run).second);
    });
    return by_connection;
  };
  auto got = runs(world.batch({created("posts", "2", post), created("posts", "3", post)}));
  CHECK(got.size() == 4);
  CHECK(got[a] == got[b]);
  CHECK(got[a] == got[c]);
  CHECK(got[a] == got[d]);
  CHECK(got[a]->events == 2);
  got = runs(world.batch({created("posts", "1", post), created("posts", "3", post)}));
  CHECK(got[a] == got[b]);
  CHECK(got[c] == got[d]);
  CHECK(got[a] != got[c]);
  CHECK(got[c]->events == 2);
  got = runs(world.batch({to_everyone("1"), created("posts", "3", post)}));
  CHECK(got[a] == got[d]);
  CHECK(world.broker.counters().deliveries == 4 * 2 + 4 * 2 + 4 * 2);
  CHECK(world.broker.counters().events_in == 6);
}

TEST_CASE("broker: the position moves with each piece, also with one that is empty") {
  World world;
  CHECK(world.broker.position() == Cursor{9, 0, 0});
  Batch piece = world.batch({created("posts", "1", post)});
  piece.ends_tick = false;
  world.deliver(piece);
  CHECK(world.broker.position() == Cursor{9, 1, 5, 1});
  world.deliver(world.batch({}));
  CHECK(world.broker.position() == Cursor{9, 2, 5});
}

TEST_CASE("broker: a quiet connection is told the position when it has moved") {
  World world;
  const auto quiet = world.open();
  const auto reader = world.subscriber({"posts.*"});
  const auto position = [&](std::uint64_t tick) {
    return Lines{R"({"type":"position","cursor":")" + to_string(Cursor{9, tick, 5}) + "\"}"};
  };
  CHECK(world.broker.position_frame(quiet).empty());
  CHECK(world.broker.position_frame(reader).empty());
  world.deliver({created("posts", "1", post)});
  CHECK(payloads(world.broker.position_frame(quiet)) == position(1));
  CHECK(world.broker.position_frame(quiet).empty());
  CHECK(world.broker.position_frame(reader).empty());  // was sent an event since
  CHECK(payloads(world.broker.position_frame(reader)) == position(1));
  world.deliver(world.batch({}));
  CHECK(payloads(world.broker.position_frame(reader)) == position(2));
  world.deliver(world.batch({}));
  world.say(reader, World::subscribe("posts.2"));
  CHECK(world.broker.position_frame(reader).empty());  // `subscribed` told it
}
