#include <doctest/doctest.h>

#include <string>

#include "broker/token_bucket.hpp"
#include "broker_fixture.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::string cursor = to_string(Cursor{9, 0, 0});

std::string subscribed(const std::string& pattern, const std::string& id = "") {
  return R"({"type":"subscribed","pattern":")" + pattern + R"(","cursor":")" + cursor + "\"" +
         (id.empty() ? "" : ",\"id\":" + id) + "}";
}
std::string unsubscribed(const std::string& pattern, int removed) {
  return R"({"type":"unsubscribed","pattern":")" + pattern + R"(","removed":)" +
         std::to_string(removed) + "}";
}
std::string unsubscribe(const std::string& pattern) {
  return R"({"type":"unsubscribe","pattern":")" + pattern + "\"}";
}
// The error's code, and its pattern where it names one: "permission_denied posts.*".
std::string error_of(const std::string& line) {
  const auto member = [&line](const std::string& name) {
    const std::string before = "\"" + name + "\":\"";
    const auto at = line.find(before);
    if (at == std::string::npos) return std::string();
    const auto start = at + before.size();
    return line.substr(start, line.find('"', start) - start);
  };
  if (member("type") != "error") return line;
  const std::string pattern = member("pattern");
  return member("code") + (pattern.empty() ? "" : " " + pattern);
}
Lines errors_of(Lines lines) {
  for (auto& line : lines) line = error_of(line);
  return lines;
}

BrokerOptions without_rate() {
  return {.limits = {.requests_per_second = 0}};
}

const Principal alice{"alice", {"editor"}};

}  // namespace

TEST_CASE("broker: the first frame is connected, with the caller's id and the user") {
  World world;
  const auto anonymous = world.open();
  const auto known = world.open(alice);
  CHECK(world.got[anonymous] ==
        Lines{R"({"type":"connected","connection_id":"c1","user":null,"expires_at":null,)"
              R"("heartbeat_interval":30,"server":"pgtide/)" PGTIDE_VERSION "\"}"});
  CHECK(
      world.got[known] ==
      Lines{R"({"type":"connected","connection_id":"c2","user":{"id":"alice","roles":["editor"]},)"
            R"("expires_at":null,"heartbeat_interval":30,"server":"pgtide/)" PGTIDE_VERSION "\"}"});
}

TEST_CASE("broker: a subscription is live from the position at which it was answered") {
  World world;
  const auto reader = world.open();
  CHECK(world.ask(reader, World::subscribe("posts.*")) == Lines{subscribed("posts.*")});
  world.deliver(world.batch({}));
  CHECK(world.ask(reader, R"({"type":"subscribe","id":"x","pattern":"posts.1"})") ==
        Lines{R"({"type":"subscribed","pattern":"posts.1","cursor":")" +
              to_string(Cursor{9, 1, 5}) + R"(","id":"x"})"});
}

TEST_CASE("broker: each pattern of a batch gets its own reply, in order, with the id verbatim") {
  World world(open_policy(), {.limits = {.subscriptions_per_connection = 7}});
  const auto reader = world.open(alice);
  const std::string message =
      R"({"type":"subscribe","id":1.50,"subscriptions":[{"pattern":"posts.*"},{"pattern":"bad"},)"
      R"({"pattern":"users.*"},{"pattern":"ghosts.1"},{"pattern":"posts.*","events":["create"]},)"
      R"({"pattern":"*"},{"pattern":"posts.2"}]})";
  Lines lines = world.ask(reader, message);
  REQUIRE(lines.size() == 7);
  for (const auto& line : lines) CHECK(line.ends_with(",\"id\":1.50}"));
  CHECK(errors_of(lines) == Lines{subscribed("posts.*", "1.50"), "invalid_pattern bad",
                                  "permission_denied users.*", "unknown_collection ghosts.1",
                                  subscribed("posts.*", "1.50"), subscribed("*", "1.50"),
                                  subscribed("posts.2", "1.50")});
  CHECK(world.patterns(reader) == Lines{"posts.*", "*", "posts.2"});
  CHECK(world.broker.counters().requests_refused == 3);
}

TEST_CASE("broker: an anonymous connection is told unauthenticated, listed or not") {
  for (const bool all : {false, true}) {
    World world(make_policy({public_rule("posts")}, all_tables(), all), without_rate());
    const auto reader = world.open();
    for (const std::string pattern : {"users.*", "users.1", "ghosts.*"}) {
      CHECK(errors_of(world.ask(reader, World::subscribe(pattern))) ==
            Lines{"unauthenticated " + pattern});
    }
    CHECK(errors_of(world.ask(reader, World::subscribe("*"))) ==
          Lines{all ? subscribed("*") : "unauthenticated *"});
  }
}

TEST_CASE("broker: a refusal never says more to one without all") {
  World world(make_policy({public_rule("posts")}, all_tables(), false), without_rate());
  const auto reader = world.open(alice);
  const Lines watched = world.ask(reader, World::subscribe("users.*"));
  Lines unknown = world.ask(reader, World::subscribe("ghost.*"));
  unknown[0].replace(unknown[0].find("ghost"), 5, "users");
  CHECK(watched == unknown);
  CHECK(errors_of(watched) == Lines{"permission_denied users.*"});
}

TEST_CASE("broker: subscribing again replaces the options, keeps the place and counts once") {
  World world(open_policy(), {.limits = {.subscriptions_per_connection = 2}});
  const auto reader = world.open();
  world.say(reader, World::subscribe("posts.*"));
  world.say(reader, World::subscribe("comments.*"));
  CHECK(world.ask(reader, World::subscribe("posts.*", R"(["delete"])")) ==
        Lines{subscribed("posts.*")});
  CHECK(world.patterns(reader) == Lines{"posts.*", "comments.*"});
  CHECK(world.broker.subscription_count() == 2);
  world.taken(reader);
  world.deliver({created("posts", "1", R"({"id":1})")});
  CHECK(world.taken(reader) == Lines{});
  world.deliver({deleted("posts", "1", R"({"id":1})")});
  CHECK(world.taken(reader).size() == 1);
}

TEST_CASE("broker: a refused re-subscribe keeps the old subscription") {
  World world;
  const auto reader = world.subscriber({"posts.*"});
  world.say(reader, World::subscribe("posts.*", R"(["nonsense"])"));
  world.taken(reader);
  world.deliver({created("posts", "1", R"({"id":1})")});
  CHECK(world.taken(reader).size() == 1);
}

TEST_CASE("broker: unsubscribe tells how many subscriptions ended") {
  World world(open_policy(), without_rate());
  const auto reader = world.subscriber({"posts.*", "posts.1", "*"});
  CHECK(world.ask(reader, unsubscribe("posts.2")) == Lines{unsubscribed("posts.2", 0)});
  CHECK(world.ask(reader, unsubscribe("posts.*")) == Lines{unsubscribed("posts.*", 1)});
  CHECK(world.ask(reader, unsubscribe("posts.*")) == Lines{unsubscribed("posts.*", 0)});
  CHECK(errors_of(world.ask(reader, unsubscribe("posts"))) == Lines{"invalid_pattern posts"});
  CHECK(world.patterns(reader) == Lines{"posts.1", "*"});
  CHECK(world.ask(reader, unsubscribe("*")) == Lines{unsubscribed("*", 2)});
  CHECK(world.ask(reader, unsubscribe("*")) == Lines{unsubscribed("*", 0)});
  CHECK(world.broker.subscription_count() == 0);
  world.deliver({created("posts", "1", R"({"id":1})")});
  CHECK(world.taken(reader) == Lines{});
}

TEST_CASE(
    "broker: past the rate a request is refused, with the time to wait, and changes nothing") {
  World world(open_policy(), {.limits = {.requests_per_second = 2}});
  const auto reader = world.open();
  world.say(reader, World::subscribe("posts.1"));
  world.say(reader, unsubscribe("posts.9"));
  const Lines refused = world.ask(reader, R"({"type":"subscribe","id":"a","pattern":"posts.*"})");
  CHECK(errors_of(refused) == Lines{"rate_limited"});
  CHECK(refused[0].ends_with(R"("retry_after_ms":500,"id":"a"})"));
  CHECK(world.patterns(reader) == Lines{"posts.1"});
  world.now += 499ms;
  CHECK(errors_of(world.ask(reader, unsubscribe("*"))) == Lines{"rate_limited"});
  world.now += 1ms;
  CHECK(world.ask(reader, unsubscribe("*")) == Lines{unsubscribed("*", 1)});
}

TEST_CASE("broker: a ping costs no token, any other message one, whatever it means") {
  const Lines nonsense = {"{", R"({"type":"dance"})", R"({"type":"subscribe"})", "[[[[[[[[[[[["};
  for (const std::string& text : nonsense) {
    CAPTURE(text);
    World world(open_policy(), {.limits = {.requests_per_second = 2}});
    const auto reader = world.open();
    for (int i = 0; i < 5; ++i) {
      CHECK(world.ask(reader, R"({"type":"ping","id":"p"})") ==
            Lines{R"({"type":"pong","id":"p"})"});
    }
    world.say(reader, text);
    CHECK(world.ask(reader, unsubscribe("*")) == Lines{unsubscribed("*", 0)});
    world.say(reader, text);
    CHECK(errors_of(world.ask(reader, unsubscribe("*"))) == Lines{"rate_limited"});
  }
}

TEST_CASE("broker: a long message is paid for before it is read, be it a ping") {
  World world(open_policy(), {.limits = {.requests_per_second = 2}});
  const auto reader = world.open();
  const std::string padding(2'000, ' ');
  const std::string ping = R"({"type":"ping","id":"p")" + padding + "}";
  CHECK(world.ask(reader, ping) == Lines{R"({"type":"pong","id":"p"})"});
  CHECK(errors_of(world.ask(reader, padding + "{")) == Lines{"invalid_json"});
  const Lines refused = world.ask(reader, ping);
  CHECK(errors_of(refused) == Lines{"rate_limited"});
  CHECK(refused[0].ends_with(R"("retry_after_ms":500})"));  // its id was not read
  CHECK(errors_of(world.ask(reader, padding + "{")) == Lines{"rate_limited"});
  CHECK(world.ask(reader, R"({"type":"ping"})") == Lines{R"({"type":"pong"})"});
}

TEST_CASE("broker: a filter takes a token more for each 256 bytes of it") {
  World world;
  const auto reader = world.open();
  std::string items;
  for (int n = 0; n < 100; ++n) {
    items += (n == 0 ? "" : ",") + std::string(R"({"pattern":"posts.)") + std::to_string(n) +
             R"(","filter":"record.title != ')" + std::string(512, 'x') + "'\"}";
  }
  world.say(reader, R"({"type":"subscribe","subscriptions":[)" + items + "]}");
  CHECK(world.patterns(reader).size() == 50);  // of 200 tokens, at four each
}

TEST_CASE("broker: as many patterns with filters as can be held come in one message, no more") {
  std::string items, patterned;
  for (int n = 0; n < 100; ++n) {
    const std::string comma = n == 0 ? "" : ",", id = std::to_string(n);
    items += comma + R"({"pattern":"posts.)" + id + R"(","filter":"record.id != )" + id + "\"}";
    patterned += comma + R"({"pattern":"posts.)" + id +
                 R"(","filter":"record.title.matches('x)" + id + "')\"}";
  }
  const auto subscribe_all = [](const std::string& list) {
    return R"({"type":"subscribe","subscriptions":[)" + list + "]}";
  };
  World world;
  const auto reader = world.open();
  world.say(reader, subscribe_all(items));
  CHECK(world.patterns(reader).size() == 100);
  // Its tokens are used up: each further entry waits for its own, at ten a second.
  CHECK(world.ask(reader, World::subscribe("posts.*"))[0].find(R"("retry_after_ms":100)") !=
        std::string::npos);
  const Lines refused = world.ask(reader, subscribe_all(R"({"pattern":"posts.1"},)"
                                                        R"({"pattern":"posts.2"})"));
  CHECK(errors_of(refused) == Lines{"rate_limited posts.1", "rate_limited posts.2"});
  world.now += 100ms;
  const Lines one_of_two = errors_of(world.ask(
      reader, subscribe_all(R"({"pattern":"posts.1"},{"pattern":"posts.2"})")));
  CHECK(one_of_two == Lines{subscribed("posts.1"), "rate_limited posts.2"});
  // A regular expression is compiled for six, which 100 of them do not have.
  const auto other = world.open();
  world.say(other, subscribe_all(patterned));
  CHECK(world.patterns(other).size() == 33);
}

TEST_CASE("broker: a message of more entries than can be held is refused whole, by one reply") {
  World world(open_policy(), {.limits = {.subscriptions_per_connection = 3}});
  const auto reader = world.open();
  std::string items = R"({"pattern":"posts.1"})";
  for (int n = 0; n < 3; ++n) items += R"(,{"pattern":"posts.1"})";
  const Lines answers =
      world.ask(reader, R"({"type":"subscribe","id":7,"subscriptions":[)" + items + "]}");
  REQUIRE(answers.size() == 1);
  CHECK(answers[0] == R"({"type":"error","code":"invalid_message",)"
                      R"("message":"'subscriptions' must hold at most 3","id":7})");
  CHECK(world.patterns(reader) == Lines{});
}

TEST_CASE("broker: a rule is decided once for a message, however many patterns it has") {
  std::string teams = "[0";
  for (int n = 1; n < 1'900; ++n) teams += "," + std::to_string(n);
  const Principal member{"ann", {}, R"({"teams":)" + teams + "]}"};
  CollectionRule rule = public_rule("posts");
  rule.subscribe.kind = Audience::Kind::anyone;
  auto where = Expression::parse("record.id in user.claims.teams");
  rule.where = RuleExpression{std::get<0>(where), std::vector<SourcePlace>(100)};
  World world(make_policy({rule, public_rule("comments")}));
  const auto reader = world.open(member);
  std::string items;
  for (int n = 0; n < 100; ++n) {
    const std::string name = n % 2 == 0 ? "posts." : "comments.";
    items += (n == 0 ? "" : ",") + (R"({"pattern":")" + name + std::to_string(n) + "\"}");
  }
  world.say(reader, R"({"type":"subscribe","subscriptions":[)" + items + "]}");
  CHECK(world.patterns(reader).size() == 100);
  CHECK(world.broker.counters().rules_decided == 6);  // of each: who, which rows, which columns
  world.take(world.broker.replace_policy(make_policy({rule, public_rule("comments")})));
  CHECK(world.broker.counters().rules_decided == 12);
}

TEST_CASE("broker: a batch counts as one request") {
  World world(open_policy(), {.limits = {.requests_per_second = 1}});
  const auto reader = world.open();
  CHECK(world
            .ask(reader, R"({"type":"subscribe","subscriptions":[{"pattern":"posts.1"},)"
                         R"({"pattern":"posts.2"},{"pattern":"posts.3"}]})")
            .size() == 3);
  CHECK(errors_of(world.ask(reader, unsubscribe("*"))) == Lines{"rate_limited"});
}

TEST_CASE("broker: checks run in the order shape, rate, pattern, permission, limit") {
  World world(make_policy({public_rule("posts")}),
              {.limits = {.subscriptions_per_connection = 0, .requests_per_second = 4}});
  const auto reader = world.open();
  CHECK(errors_of(world.ask(reader, World::subscribe("posts.*"))) ==
        Lines{"subscription_limit posts.*"});
  CHECK(errors_of(world.ask(reader, World::subscribe("users.*"))) ==
        Lines{"unauthenticated users.*"});
  CHECK(errors_of(world.ask(reader, World::subscribe("users"))) == Lines{"invalid_pattern users"});
  world.say(reader, unsubscribe("*"));
  CHECK(errors_of(world.ask(reader, World::subscribe("users"))) == Lines{"rate_limited"});
  CHECK(errors_of(world.ask(reader, R"({"type":"subscribe","patern":"users"})")) ==
        Lines{"invalid_message"});
}

TEST_CASE("broker: a hundred more refusals for the rate than answers end the connection") {
  World world(open_policy(), {.limits = {.requests_per_second = 1}});
  const auto reader = world.open();
  const auto refused = [&] { return world.say(reader, unsubscribe("*")); };
  refused();
  for (int i = 1; i < 100; ++i) CHECK_FALSE(refused().close.has_value());
  world.now += 1s;
  CHECK_FALSE(refused().close.has_value());  // was answered: one less
  CHECK_FALSE(refused().close.has_value());
  CHECK(world.ask(reader, R"({"type":"ping"})").size() == 1);  // is no request
  const Reply last = refused();
  CHECK(last.close == CloseCode::too_many_refusals);
  CHECK(errors_of(payloads(last.frames)) == Lines{"rate_limited"});
}

TEST_CASE("broker: who goes on asking too fast is closed under the shipped limits") {
  struct {
    std::string text;
    const char* why;
  } const floods[] = {{unsubscribe("*"), "requests"},
                      {"{", "no JSON"},
                      {R"({"type":"subscribe"})", "what is no request"}};
  for (const auto& flood : floods) {
    CAPTURE(flood.why);
    World world;
    const auto reader = world.open();
    int sent = 1;  // fifty a second are read, as limits.frames_per_second has it
    while (sent < 1'000 && world.say(reader, flood.text).close != CloseCode::too_many_refusals) {
      world.now += 20ms;
      ++sent;
    }
    CHECK(sent < 250);
  }
}

TEST_CASE("broker: who waits as it is told to is never closed") {
  World world;
  const auto reader = world.open();
  for (int n = 0; n < 2'000; ++n) {
    const Reply reply = world.say(reader, unsubscribe("*"));
    REQUIRE_FALSE(reply.close.has_value());
    const bool limited = payloads(reply.frames)[0].find("rate_limited") != std::string::npos;
    world.now += limited ? 100ms : 10ms;
  }
}

TEST_CASE("broker: close forgets a connection and its subscriptions, and its number is used anew") {
  World world;
  const auto first = world.subscriber({"posts.*", "posts.1", "*"});
  const auto second = world.subscriber({"posts.*"});
  CHECK(world.broker.connection_count() == 2);
  CHECK(world.broker.subscription_count() == 4);
  world.broker.close(first);
  CHECK(world.broker.connection_count() == 1);
  CHECK(world.broker.subscription_count() == 1);
  const auto third = world.open();
  CHECK(third == first);
  world.taken(third);
  world.deliver({created("posts", "1", R"({"id":1})"), to_everyone("1")});
  CHECK(world.taken(third).size() == 1);
  CHECK(world.taken(second).size() == 2);
}

TEST_CASE("broker: connections are listed with user, address, time and patterns in order") {
  World world;
  const auto at = std::chrono::system_clock::time_point{123s};
  const auto opened = world.broker.open({"id-1", alice, "127.0.0.1:5", at}, world.now);
  world.say(opened.number, World::subscribe("posts.2"));
  world.say(opened.number, World::subscribe("posts.*"));
  const auto listed = world.broker.select({});
  REQUIRE(listed.size() == 1);
  const ConnectionRecord& record = world.broker.record(listed[0]);
  CHECK(record.id == "id-1");
  CHECK(record.user == alice);
  CHECK(record.remote_address == "127.0.0.1:5");
  CHECK(record.connected_at == at);
  CHECK(world.patterns(listed[0]) == Lines{"posts.2", "posts.*"});
}

TEST_CASE("broker: connections are selected by id, user and place, the first of them in order") {
  World world;
  for (const char* id : {"d", "a", "c", "b"}) {
    const bool known = *id < 'c';
    world.broker.open({.id = id, .user = known ? std::optional(alice) : std::nullopt}, world.now);
  }
  world.broker.close(*world.broker.find("c"));
  const auto selected = [&](const ConnectionQuery& query) {
    std::string ids;
    for (const auto number : world.broker.select(query)) ids += world.broker.record(number).id;
    return ids;
  };
  CHECK(selected({}) == "abd");
  CHECK(selected({.limit = 2}) == "ab");
  CHECK(selected({.after = "a"}) == "bd");
  CHECK(selected({.user = alice.id}) == "ab");
  CHECK(selected({.user = alice.id, .after = "a"}) == "b");
  CHECK(selected({.user = "nobody"}) == "");
  CHECK(selected({.id = "b"}) == "b");
  CHECK(selected({.id = "c"}) == "");
  CHECK(selected({.limit = 0}) == "");
}

TEST_CASE("broker: new rules end what they do not allow, with an error each") {
  World world(open_policy(), without_rate());
  const auto anonymous = world.subscriber({"posts.*", "comments.*", "posts.1"});
  const auto known = world.open(alice);
  world.say(known, World::subscribe("*"));
  world.taken(known);
  world.take(
      world.broker.replace_policy(make_policy({public_rule("comments")}, all_tables(), false)));
  CHECK(errors_of(world.taken(anonymous)) ==
        Lines{"unauthenticated posts.*", "unauthenticated posts.1"});
  CHECK(errors_of(world.taken(known)) == Lines{"permission_denied *"});
  CHECK(world.patterns(anonymous) == Lines{"comments.*"});
  CHECK(world.broker.subscription_count() == 1);
  world.deliver(
      {created("posts", "1", R"({"id":1})"), created("comments", "1,1", R"({"post":1,"n":1})")});
  CHECK(world.taken(anonymous).size() == 1);
  CHECK(world.taken(known) == Lines{});
}

TEST_CASE("broker: rules that show other columns ask for a resync, others say nothing") {
  const auto resync = [](const std::string& pattern, const std::string& reason) {
    return R"({"type":"resync_required","pattern":")" + pattern + R"(","reason":")" + reason +
           "\"}";
  };
  CollectionRule hidden = public_rule("posts");
  hidden.hide = {{.name = "email"}};
  CollectionRule other_form = public_rule("posts");
  other_form.old = true;
  other_form.deleted_record_full = true;
  CollectionRule closed = public_rule("users");
  closed.hide = {{.name = "ghost"}};
  Collection another = posts_table();
  another.id = 77;
  const std::vector<CollectionRule> rest = {public_rule("comments"), public_rule("notifications")};
  const auto with = [&](CollectionRule posts) {
    auto listed = rest;
    listed.push_back(std::move(posts));
    return listed;
  };
  auto with_closed = with(public_rule("posts"));
  with_closed.push_back(closed);
  struct Case {
    std::shared_ptr<const Policy> policy;
    Lines notices;
    const char* why;
  };
  const Case cases[] = {
      {open_policy(), {}, "the same rules"},
      {make_policy(with(other_form)), {}, "old and deleted_record show no other columns"},
      {make_policy(with(hidden)),
       {resync("posts.1", "permissions_changed"), resync("*", "permissions_changed")},
       "a column is hidden"},
      {make_policy(with(public_rule("posts")), {another, comments_table(), users_table()}),
       {resync("posts.1", "schema_changed"), resync("*", "schema_changed")},
       "the name belongs to another table now"},
      {make_policy(with_closed),
       {resync("*", "permissions_changed")},
       "* sees one collection less"},
      {make_policy(with(public_rule("posts")), {posts_table(), comments_table()}),
       {},
       "a table that is no longer watched: nothing to read anew"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.why);
    World world;
    const auto reader = world.subscriber({"posts.1", "*", "comments.*", "notifications.*"});
    world.take(world.broker.replace_policy(each.policy));
    CHECK(world.taken(reader) == each.notices);
    CHECK(world.broker.subscription_count() == 4);
  }
}

TEST_CASE("broker: a lost position is told to each connection that holds a subscription") {
  World world;
  const auto idle = world.open();
  world.taken(idle);
  const auto reader = world.subscriber({"posts.*", "posts.1"});
  world.take(world.broker.lose_position(ResyncReason::log_lost, {10, 3, 4}));
  CHECK(world.taken(reader) == Lines{R"({"type":"resync_required","reason":"log_lost"})"});
  CHECK(world.taken(idle) == Lines{});
  CHECK(world.broker.position() == Cursor{10, 3, 4});
  CHECK(payloads(world.broker.position_frame(reader)) ==
        Lines{R"({"type":"position","cursor":")" + to_string(Cursor{10, 3, 4}) + "\"}"});
}

TEST_CASE("broker: a token bucket gives several tokens, or says when it has them") {
  TokenBucket::Clock::time_point now{1000s};
  TokenBucket bucket(10, 30, now);
  CHECK(bucket.take(now, 24));
  CHECK_FALSE(bucket.take(now, 7));
  CHECK(bucket.wait(7) == 100ms);
  CHECK(bucket.wait(6) == 0ms);
  CHECK(bucket.take(now, 6));
  CHECK(bucket.wait(1'000) == 3'000ms);  // more than it ever holds are all that it holds
  CHECK(bucket.take(now + 3s, 1'000));
}

TEST_CASE("broker: a token bucket holds a second's worth, at least one token") {
  using Clock = TokenBucket::Clock;
  struct Case {
    double rate;
    std::chrono::milliseconds step;
    int taken_of_20;
    const char* why;
  };
  const Case cases[] = {
      {10, 0ms, 10, "the burst is as large as the rate"},
      {10, 100ms, 20, "at its rate it never runs dry"},
      {10, 50ms, 19, "half of what is asked for comes back"},
      {0.5, 0ms, 1, "a rate below one still has one token"},
      {0.5, 1000ms, 10, "and gets one in two seconds"},
      {0, 0ms, 20, "no limit"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.why);
    Clock::time_point now{1000s};
    TokenBucket bucket(each.rate, each.rate, now);
    int taken = 0;
    for (int i = 0; i < 20; ++i, now += each.step) {
      if (bucket.take(now)) {
        ++taken;
      } else {
        const auto wait = bucket.wait();
        TokenBucket copy = bucket;
        CHECK(copy.take(now + wait));
        copy = bucket;
        CHECK_FALSE(copy.take(now + wait - 2ms));
      }
    }
    CHECK(taken == each.taken_of_20);
  }
}
