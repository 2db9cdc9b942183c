#include <string>
#include <vector>

#include "support/client_frame.hpp"
#include "support/frame_shape.hpp"
#include "support/serving.hpp"

// What clients say once they are connected, and what they are told, against the program itself:
// each refusal is counted by its code, leaves the connection open, and is no line in the log.
using namespace pgtide::test;

namespace hostile_messages {
namespace {

using Texts = std::vector<std::string>;

// The program, which lets one connection ask as fast as it can.
const Serving& serving() {
  static const Stage stage;
  static const Serving serving(
      stage, "port",
      {"--limits.requests-per-second", "1000000", "--limits.frames-per-second", "1000000"});
  return serving;
}
double metric(const std::string& name) {
  return metric_of(serving().address(), name);
}
double errors_of(const std::string& code) {
  return metric("pgtide_errors_total{code=\"" + code + "\"}");
}

std::string repeated(const std::string& part, int times) {
  std::string all;
  for (int n = 0; n < times; ++n) all += part;
  return all;
}
std::string subscribe(const std::string& pattern) {
  return R"({"type":"subscribe","pattern":")" + pattern + "\"}";
}
std::string unsubscribe(const std::string& pattern) {
  return R"({"type":"unsubscribe","pattern":")" + pattern + "\"}";
}
std::string ping_with(const std::string& id) {
  return R"({"type":"ping","id":)" + id + "}";
}

struct Case {
  std::string why;
  std::string message;
  std::string code;  // empty: `says` is the type of the answer
  std::string says;  // a part of the error's text
};

// On one connection, which outlives all of them.
void check(const std::vector<Case>& cases) {
  const auto complaints = serving().complaints();
  WireClient client(serving().address());
  client.next();  // connected
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CAPTURE(one.message.substr(0, 200));
    const double before = one.code.empty() ? 0 : errors_of(one.code);
    client.send(one.message);
    const std::string answer = client.next();
    CHECK(member(answer, "code") == one.code);
    if (one.code.empty()) {
      CHECK(member(answer, "type") == one.says);
    } else {
      CHECK_MESSAGE(holds(member(answer, "message"), one.says), answer.substr(0, 300));
      CHECK(errors_of(one.code) == before + 1);
    }
  }
  client.send(R"({"type":"ping"})");
  CHECK(client.next() == R"({"type":"pong"})");
  CHECK(serving().complaints() == complaints);
}

}  // namespace

TEST_CASE("messages: what is no JSON is told so") {
  std::vector<Case> cases;
  const Texts texts = {"",
                       " ",
                       "hello",
                       "{",
                       "}",
                       R"({"type":"ping")",
                       R"({"type":"ping"}})",
                       R"({"type":"ping"}{"type":"ping"})",
                       R"({'type':'ping'})",
                       R"({type:"ping"})",
                       R"({"type":"ping",})",
                       R"({"type":"ping"} // so)",
                       R"({"type":"pi)"
                       "\n"
                       R"(ng"})",
                       std::string("{\"type\":\"pi\0ng\"}", 16),
                       std::string(1, '\0'),
                       ping_with("NaN"),
                       ping_with("Infinity"),
                       ping_with("01"),
                       ping_with("+1"),
                       ping_with("0x10"),
                       ping_with("1."),
                       ping_with(".5"),
                       ping_with("1e"),
                       ping_with("1e400"),
                       subscribe(R"(posts.\ud800)"),
                       subscribe(R"(posts.\udc00\ud800)"),
                       subscribe(R"(posts.\ud800x)"),
                       subscribe(R"(posts.\x)"),
                       subscribe(R"(posts.\u12)")};
  for (const std::string& text : texts) cases.push_back({"no JSON", text, "invalid_json", "JSON"});
  check(cases);
}

TEST_CASE("messages: a field of a wrong type is named") {
  struct {
    std::string field;
    std::string before, after;  // what stands around its value
    Texts wrong;
  } const fields[] = {
      {"type", R"({"type":)", "}", {"null", "true", "7", "[]", "{}", R"(["ping"])"}},
      {"id", R"({"type":"ping","id":)", "}", {"null", "true", "[]", "{}", "[1]"}},
      {"pattern",
       R"({"type":"subscribe","pattern":)",
       "}",
       {"null", "true", "7", "[]", "{}", R"(["posts.*"])"}},
      {"pattern", R"({"type":"unsubscribe","pattern":)", "}", {"null", "false", "7", "[]", "{}"}},
      {"pattern",
       R"({"type":"subscribe","subscriptions":[{"pattern":)",
       "}]}",
       {"null", "true", "7", "[]", "{}"}},
      {"filter",
       R"({"type":"subscribe","pattern":"posts.*","filter":)",
       "}",
       {"null", "true", "7", "[]", "{}"}},
      {"events",
       R"({"type":"subscribe","pattern":"posts.*","events":)",
       "}",
       {"null", "true", "7", R"("create")", "{}", "[]", "[null]", "[1]", R"([["create"]])",
        R"(["create","insert"])", R"(["CREATE"])"}},
      {"subscriptions",
       R"({"type":"subscribe","subscriptions":)",
       "}",
       {"null", "true", "7", R"("posts.*")", "{}", "[]", "[null]", "[1]", R"(["posts.*"])",
        R"([[{"pattern":"posts.*"}]])"}},
      {"token", R"({"type":"auth","token":)", "}", {"null", "true", "7", "[]", "{}"}},
  };
  std::vector<Case> cases;
  for (const auto& one : fields) {
    for (const std::string& value : one.wrong) {
      cases.push_back({one.field + " is " + value, one.before + value + one.after,
                       "invalid_message", "'" + one.field + "'"});
    }
  }
  check(cases);
  CHECK(metric("pgtide_subscriptions") == 0);  // of those that were refused nothing is held
}

TEST_CASE("messages: what is unknown, missing or there twice is named") {
  const std::string twice = "stands there twice";
  check({
      {"no object", "[]", "invalid_message", "a JSON object"},
      {"a text", "\"ping\"", "invalid_message", "a JSON object"},
      {"a number", "7", "invalid_message", "a JSON object"},
      {"null", "null", "invalid_message", "a JSON object"},
      {"nothing in it", "{}", "invalid_message", "'type' is missing"},
      {"an unknown type", R"({"type":"publish"})", "unknown_type", "known: subscribe"},
      {"a type in capitals", R"({"type":"PING"})", "unknown_type", "unknown type 'PING'"},
      {"a server's type", R"({"type":"connected"})", "unknown_type", "'connected'"},
      {"no type", R"({"type":""})", "unknown_type", "''"},
      {"NUL in the type", R"({"type":"ping\u0000"})", "unknown_type", "unknown type 'ping"},
      {"a long type", R"({"type":")" + std::string(60'000, 'x') + "\"}", "unknown_type", "xxx...'"},
      {"a misspelled filter", R"({"type":"subscribe","pattern":"posts.*","fliter":"x"})",
       "invalid_message", "'fliter'"},
      {"a field of another message", R"({"type":"ping","pattern":"posts.*"})", "invalid_message",
       "'pattern'"},
      {"a prototype", R"({"type":"ping","__proto__":{}})", "invalid_message", "'__proto__'"},
      {"a long name", "{\"type\":\"ping\",\"" + std::string(60'000, 'n') + "\":1}",
       "invalid_message", "nnn...'"},
      {"a name cut inside a letter",
       "{\"type\":\"ping\",\"" + std::string(63, 'n') + "\xc3\xa9\":1}", "invalid_message", "nnn"},
      {"no pattern", R"({"type":"subscribe"})", "invalid_message", "'pattern' is missing"},
      {"an entry without one", R"({"type":"subscribe","subscriptions":[{}]})", "invalid_message",
       "'pattern' is missing"},
      {"no token", R"({"type":"auth"})", "invalid_message", "'token' is missing"},
      {"a type twice", R"({"type":"ping","type":"ping"})", "invalid_message", twice},
      {"an id twice", R"({"type":"ping","id":1,"id":2})", "invalid_message", twice},
      {"a pattern twice", R"({"type":"subscribe","pattern":"posts.1","pattern":"posts.*"})",
       "invalid_message", "'pattern' " + twice},
      {"twice in other letters", R"({"type":"ping","\u0074ype":"ping"})", "invalid_message",
       "'type' " + twice},
      {"twice inside", R"({"type":"subscribe","subscriptions":[{"filter":"a","filter":"b"}]})",
       "invalid_message", "'filter' " + twice},
      {"too deep", ping_with(repeated("[", 30'000) + repeated("]", 30'000)), "invalid_message",
       "nested too deeply"},
      {"60 KB of brackets", std::string(60'000, '['), "invalid_message", "nested too deeply"},
      {"60 KB of braces", std::string(60'000, '{'), "invalid_message", "nested too deeply"},
      {"objects in objects", repeated(R"({"a":)", 12'000), "invalid_message", "nested too deeply"},
      {"in lists", repeated("[{\"a\":", 10'000), "invalid_message", "nested too deeply"},
      {"20,000 lists side by side", "[" + repeated("[],", 20'000) + "[]]", "invalid_message",
       "too much in one message"},
      {"a thousand fields",
       [] {
         std::string fields;
         for (int n = 0; n < 1'000; ++n) fields += ",\"f" + std::to_string(n) + "\":0";
         return R"({"type":"ping")" + fields + "}";
       }(),
       "invalid_message", "unknown field 'f0'"},
  });
}

TEST_CASE("messages: an id comes back as it was written, or is too long") {
  const std::string digits(64, '9');
  WireClient client(serving().address());
  client.next();
  for (const std::string id :
       {"0", "-0", "1.50", "1e3", "1E-2", "18446744073709551616", digits.c_str(), R"("")",
        R"("\u0000")", R"("a.b\n\"\\")", R"("\ud83d\ude00")", "\"\xf0\x9f\x98\x80\""}) {
    CAPTURE(id);
    client.send(ping_with(id));
    CHECK(client.next() == R"({"type":"pong","id":)" + id + "}");
  }
  const std::string says = "'id' must be at most 64 bytes";
  check({
      {"65 digits", ping_with(digits + "9"), "invalid_message", says},
      {"60 KB", ping_with("\"" + std::string(60'000, 'x') + "\""), "invalid_message", says},
      {"60 KB of digits", ping_with("1." + std::string(60'000, '9')), "invalid_message", says},
      {"16 letters of six bytes", ping_with("\"" + repeated(R"(\u0041)", 16) + "\""),
       "invalid_message", says},
  });
  const double before = metric("pgtide_closes_total{code=\"1009\"}");
  client.send(ping_with("\"" + std::string(1'000'000, 'x') + "\""));
  CHECK(client.closed() == 1009);
  CHECK(metric("pgtide_closes_total{code=\"1009\"}") == before + 1);
}

TEST_CASE("messages: what is no pattern is told so, with the pattern") {
  struct {
    std::string why;
    std::string pattern;  // as in the JSON text
    bool valid;
  } const patterns[] = {
      {"nothing", "", false},
      {"a dot", ".", false},
      {"two dots", "..", false},
      {"three dots", "...", false},
      {"a dot at the end", "posts.", false},
      {"a dot at the beginning", ".posts", false},
      {"two dots between", "posts..x", true},
      {"dots in the id", "posts.a.b.c", true},
      {"a dot at the id's end", "posts.a.", true},
      {"an id of dots", "posts....", true},
      {"a way out", "posts.../../etc/passwd", true},
      {"a dot in letters", R"(posts\u002e1)", true},
      {"a one dot leader for a dot", R"(posts\u20241)", false},
      {"a wide dot", R"(posts\uff0e1)", false},
      {"an ideographic dot", R"(posts\u30021)", false},
      {"a middle dot", R"(posts\u00b71)", false},
      {"such dots in the id", R"(posts.\u2024\uff0e\u3002)", true},
      {"two stars", "**", false},
      {"a star for a name", "*.1", false},
      {"a star in a name", "po*.1", false},
      {"a star in an id", "posts.1*", true},
      {"quotes", R"(\"posts\".1)", false},
      {"SQL", "posts; drop table posts.1", false},
      {"another letter that looks alike", R"(p\u043ests.1)", false},
      {"a space at the beginning", " posts.1", false},
      {"NUL in the id", R"(posts.a\u0000b)", false},
      {"NUL in the name", R"(po\u0000sts.1)", false},
      {"a line feed", R"(posts.a\nb)", false},
      {"a tab", R"(posts.\t)", false},
      {"DEL", R"(posts.\u007f)", false},
      {"NEL", R"(posts.\u0085)", false},
      {"an emoji", R"(posts.\ud83d\ude00)", true},
      {"10 KB of id", "posts." + std::string(10'000, 'x'), false},
      {"10 KB of name", std::string(10'000, 'x') + ".1", false},
      {"10 KB of dots", std::string(10'000, '.'), false},
      {"10 KB of NUL", "posts." + repeated(R"(\u0000)", 1'600), false},
  };
  WireClient client(serving().address());
  client.next();
  for (const auto& one : patterns) {
    CAPTURE(one.why);
    const double before = errors_of("invalid_pattern");
    const std::string pattern = json("\"" + one.pattern + "\"");
    for (const bool enters : {true, false}) {
      client.send(enters ? subscribe(one.pattern) : unsubscribe(one.pattern));
      const std::string answer = client.next();
      const std::string type = enters ? "subscribed" : "unsubscribed";
      CHECK(member(answer, "type") == (one.valid ? type : "error"));
      CHECK(member(answer, "code") == (one.valid ? "" : "invalid_pattern"));
      CHECK(holds(json(answer), "\"pattern\":" + pattern));
    }
    CHECK(errors_of("invalid_pattern") == before + (one.valid ? 0 : 2));
  }
  CHECK(metric("pgtide_subscriptions") == 0);
}

TEST_CASE("messages: the 101st subscription is refused, and a request of as many is as a whole") {
  WireClient client(serving().address());
  client.next();
  const double before = errors_of("subscription_limit");
  std::string list;
  for (int n = 0; n < 100; ++n) {
    list += (n == 0 ? "" : ",") + (R"({"pattern":"posts.)" + std::to_string(n) + "\"}");
  }
  client.send(R"({"type":"subscribe","subscriptions":[)" + list + "]}");
  for (int n = 0; n < 100; ++n) REQUIRE(member(client.next(), "type") == "subscribed");
  client.send(subscribe("posts.100"));
  const std::string refused = client.next();
  CHECK(member(refused, "code") == "subscription_limit");
  CHECK(member(refused, "pattern") == "posts.100");
  CHECK(holds(refused, "at most 100"));
  client.send(R"({"type":"subscribe","subscriptions":[)" + list + R"(,{"pattern":"posts.*"}]})");
  CHECK(member(client.next(), "code") == "invalid_message");
  client.send(subscribe("posts.*"));
  CHECK(member(client.next(), "code") == "subscription_limit");
  CHECK(errors_of("subscription_limit") == before + 2);
  CHECK(metric("pgtide_subscriptions") == 100);
  client.send(unsubscribe("*"));
  CHECK(member(client.next(), "removed") == "100");
}

TEST_CASE("messages: a request of thousands of patterns is answered by one refusal") {
  WireClient client(serving().address());
  client.next();
  client.send(R"({"type":"subscribe","subscriptions":[)" + repeated(R"({"pattern":""},)", 4'000) +
              R"({"pattern":"posts.*"}]})");
  CHECK(member(client.next(), "code") == "invalid_message");
  client.send(R"({"type":"ping"})");
  CHECK(member(client.next(), "type") == "pong");
}

TEST_CASE("messages: who floods is closed with 4429 under the shipped limits") {
  const Stage stage;
  const Serving usual(stage, "usual");
  WireClient client(usual.address());
  client.next();
  for (int n = 0; n < 400; ++n) client.send(unsubscribe("posts.1"));
  CHECK(client.closed() == 4429);
  CHECK(metric_of(usual.address(), "pgtide_closes_total{code=\"4429\"}") == 1);
}

TEST_CASE("messages: past ten requests a second they are refused until there is room again") {
  const Stage stage;
  const Serving usual(stage, "usual");
  const auto figure = [&](const std::string& name) { return metric_of(usual.address(), name); };
  WireClient client(usual.address());
  client.next();
  for (int n = 0; n < 30; ++n) client.send(subscribe("posts." + std::to_string(n)));
  int held = 0, refused = 0;
  for (int n = 0; n < 30; ++n) {
    const std::string answer = client.next();
    if (member(answer, "type") == "subscribed") {
      ++held;
    } else {
      CHECK(member(answer, "code") == "rate_limited");
      CHECK(std::stoi(member(answer, "retry_after_ms")) <= 100);  // a tenth of a second each
      ++refused;
    }
  }
  CHECK(held >= 10);
  CHECK(refused >= 1);
  CHECK(figure("pgtide_subscriptions") == held);
  CHECK(figure("pgtide_errors_total{code=\"rate_limited\"}") == refused);
  eventually([&] {
    client.send(unsubscribe("*"));
    return member(client.next(), "type") == "unsubscribed";
  });
  CHECK(figure("pgtide_subscriptions") == 0);
}

TEST_CASE("messages: a hundred requests refused in a row end the connection") {
  const Stage stage;
  const Serving strict(
      stage, "strict",
      {"--limits.requests-per-second", "0.1", "--limits.frames-per-second", "10000"});
  const auto figure = [&](const std::string& name) { return metric_of(strict.address(), name); };
  WireClient client(strict.address());
  client.next();
  client.send(subscribe("posts.*"));
  CHECK(member(client.next(), "type") == "subscribed");
  for (int n = 0; n < 100; ++n) client.send(unsubscribe("posts.*"));
  CHECK(client.closed() == 4429);
  CHECK(figure("pgtide_closes_total{code=\"4429\"}") == 1);
  CHECK(figure("pgtide_errors_total{code=\"rate_limited\"}") == 100);
  CHECK(figure("pgtide_subscriptions") == 0);
}

TEST_CASE("messages: filters that take much of everybody's time end, and others hear all") {
  Stage stage;
  const Serving usual(stage, "usual");
  const auto figure = [&](const std::string& name) { return metric_of(usual.address(), name); };
  WireClient modest(usual.address()), greedy(usual.address());
  modest.next();
  greedy.next();
  modest.send(R"({"type":"subscribe","pattern":"posts.*","filter":"record.id > 0"})");
  CHECK(member(modest.next(), "type") == "subscribed");
  const std::string slow = "record.title.contains('" + std::string(500, 'a') + "b') && ";
  greedy.send(R"({"type":"subscribe","pattern":"posts.*","filter":")" + slow +
              R"(record.id > 0"})");
  CHECK(member(greedy.next(), "type") == "subscribed");
  stage.database.run("insert into posts values (1, repeat('a', 100000))");
  CHECK(member(modest.next(), "record_id") == "1");
  const std::string ended = greedy.next();
  CHECK(member(ended, "code") == "filter_limit");
  CHECK(member(ended, "pattern") == "posts.*");
  CHECK(figure("pgtide_filters_ended_total") == 1);
  CHECK(figure("pgtide_filter_steps_total") > 10'000);
  CHECK(figure("pgtide_subscriptions") == 1);
  stage.database.run("insert into posts values (2, 'short')");
  CHECK(member(modest.next(), "record_id") == "2");
}

TEST_CASE("messages: a flood is read slowly, and others are served meanwhile") {
  Stage stage;
  const Serving usual(stage, "usual", {"--heartbeat.interval", "1s"});
  const auto figure = [&](const std::string& name) { return metric_of(usual.address(), name); };
  struct {
    std::string why;
    std::string frame;
  } const floods[] = {{"messages", masked(0x81, R"({"type":"ping"})")},
                      {"requests", masked(0x81, unsubscribe("posts.1"))},
                      {"no JSON", masked(0x81, "{")},
                      {"pings", masked(0x89, "flood")},
                      {"pongs", masked(0x8a, "flood")}};
  int id = 0;
  for (const auto& one : floods) {
    CAPTURE(one.why);
    WireClient flooder(usual.address());
    flooder.next();
    const double before = figure("pgtide_received_bytes_total");
    const std::string flood = repeated(one.frame, 10'000);  // and 50 a second are read
    flooder.send_bytes(flood);
    WireClient other(usual.address());
    other.next();
    other.send(subscribe("posts.*"));
    CHECK(member(other.next(), "type") == "subscribed");
    stage.database.run("insert into posts values (" + std::to_string(++id) + ", 't')");
    CHECK(member(other.next(), "record_id") == std::to_string(id));
    const double read = figure("pgtide_received_bytes_total") - before;
    CHECK(read < static_cast<double>(flood.size()) / 2);
    CHECK(figure("pgtide_connections") >= 1);  // the flooder may be closed with 4429 by now
    flooder.cut();
    other.cut();
    // What a reset has left unread is read as slowly; the next ping finds that nobody is there.
    eventually([&] { return figure("pgtide_connections") == 0; });
  }
}

// A thousand requests, each about another record, and the length of what they are answered.
struct Block {
  std::string requests;
  std::size_t answer_bytes = 0;
  std::string last_answer;
};
Block make_block(int first) {
  Block block;
  for (int n = first; n < first + 1'000; ++n) {
    const std::string pattern = "posts." + std::to_string(n);
    block.requests += masked(0x81, unsubscribe(pattern));
    block.last_answer = R"({"type":"unsubscribed","pattern":")" + pattern + R"(","removed":0})";
    block.answer_bytes += 2 + block.last_answer.size();
  }
  return block;
}

TEST_CASE("messages: a million unsubscribes leave nothing behind") {
#ifdef PGTIDE_SANITIZE
  constexpr int rounds = 1, many = 20, spare_bytes = 80 << 20;  // what is freed is kept a while
#else
  constexpr int rounds = 10, many = 100, spare_bytes = 8 << 20;
#endif
  std::vector<Block> blocks;
  for (int n = 0; n < many; ++n) blocks.push_back(make_block(n * 1'000));
  WireSocket socket(serving().address());
  std::string heard;
  socket.write(
      "GET /realtime/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n");
  while (!holds(heard, "connected") && socket.read(heard, patience)) {
  }
  const auto ask = [&](const Block& block) {
    heard.clear();
    socket.write(block.requests);
    while (heard.size() < block.answer_bytes && socket.read(heard, patience)) {
    }
    return heard.size() == block.answer_bytes && heard.ends_with(block.last_answer);
  };
  for (int n = 0; n < 10; ++n) REQUIRE(ask(blocks[0]));
  const double before = metric("process_resident_memory_bytes");
  for (int round = 0; round < rounds; ++round) {
    for (const Block& block : blocks) REQUIRE(ask(block));
  }
  CHECK(metric("process_resident_memory_bytes") < before + spare_bytes);
  WireClient other(serving().address());
  CHECK(member(other.next(), "type") == "connected");
}

}  // namespace hostile_messages
