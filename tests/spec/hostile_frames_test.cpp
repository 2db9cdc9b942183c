#include <string>
#include <vector>

#include "support/client_frame.hpp"
#include "support/serving.hpp"

// Frames as RFC 6455 has them and has them not, against the program itself. The cases follow the
// groups that the Autobahn test suite is known for: 1 framing, 2 pings, 3 reserved bits, 4 opcodes,
// 5 fragments, 6 UTF-8, 7 closes, 10 fragments of any length.
using namespace pgtide::test;

namespace {

using Texts = std::vector<std::string>;

// A client's frame; `first` is FIN, the reserved bits and the opcode.
std::string frame(unsigned first, const std::string& payload = "") {
  return masked(static_cast<unsigned char>(first), payload);
}
std::string text(const std::string& payload) {
  return frame(0x81, payload);
}
std::string ping(const std::string& payload = "") {
  return frame(0x89, payload);
}
std::string pong(const std::string& payload = "") {
  return frame(0x8a, payload);
}
std::string close_frame(unsigned number, const std::string& reason = "") {
  return frame(0x88, code_bytes(number) + reason);
}
// A text message in fragments of so many bytes, with `between` after each but the last.
std::string fragments(const std::string& payload, std::size_t bytes,
                      const std::string& between = "") {
  std::string all;
  for (std::size_t at = 0; at < payload.size() || at == 0; at += bytes) {
    const bool last = at + bytes >= payload.size();
    const unsigned first = (last ? 0x80 : 0) | (at == 0 ? 1 : 0);
    all += frame(first, payload.substr(at, bytes)) + (last ? "" : between);
  }
  return all;
}
std::string repeated(const std::string& bytes, int times) {
  std::string all;
  for (int n = 0; n < times; ++n) all += bytes;
  return all;
}

const std::string asks = R"({"type":"ping"})";
std::string asks_in(std::size_t bytes) {
  return asks + std::string(bytes - asks.size(), ' ');
}
std::string asks_with(const std::string& id) {
  return R"({"type":"ping","id":")" + id + "\"}";
}

// A short word for a frame: "pong x", "message" (the answer to `asks`), "error CODE", "close CODE".
std::string word_of(const WireFrame& frame) {
  if (frame.opcode == 10) return "pong " + frame.payload;
  if (frame.opcode == 8) {
    if (frame.payload.size() < 2) return "close";
    const auto byte = [&](std::size_t at) {
      return static_cast<unsigned>(static_cast<unsigned char>(frame.payload[at]));
    };
    return "close " + std::to_string(byte(0) << 8 | byte(1));
  }
  if (frame.opcode != 1) return "opcode " + std::to_string(frame.opcode);
  if (holds(frame.payload, R"("type":"pong")")) return "message";
  const std::size_t at = frame.payload.find("\"code\":\"");
  if (at == std::string::npos) return frame.payload;
  return "error " + frame.payload.substr(at + 8, frame.payload.find('"', at + 8) - at - 8);
}

// The program, whose limits leave room for thousands of small frames.
const Serving& serving() {
  static const Stage stage;
  static const Serving serving(stage, "port", {"--limits.frames-per-second", "1000000"});
  return serving;
}

// What the program says to these bytes, `step` at a time: up to the close, or to the answer of a
// ping that is sent after them.
Texts answers(const std::string& bytes, std::size_t step) {
  WireClient client(serving().address());
  client.answers_pings = false;
  client.next();  // connected
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    client.send_bytes(bytes.substr(at, step));
  }
  client.send_bytes(ping("the end"));
  Texts words;
  while (const auto next = client.next_frame()) {
    const std::string word = word_of(*next);
    if (word == "pong the end") return words;
    words.push_back(word);
    if (next->opcode == 8) {
      CHECK(!client.next_frame());  // and nothing after it
      return words;
    }
  }
  words.push_back("cut");
  return words;
}

struct Case {
  std::string name;  // as in the suite, where it has one
  std::string bytes;
  Texts expected;
};

void check(const std::vector<Case>& cases, std::size_t step = std::string::npos) {
  for (const Case& one : cases) {
    CAPTURE(one.name);
    std::string said, expected;
    for (const std::string& word : answers(one.bytes, step)) said += word + "; ";
    for (const std::string& word : one.expected) expected += word + "; ";
    CHECK(said == expected);
  }
}

}  // namespace

TEST_CASE("frames 1: of any length, in any pieces") {
  std::vector<Case> cases = {{"1.1.1", text(""), {"error invalid_json"}},
                             {"1.2.1", frame(0x82), {"close 1003"}},
                             {"1.2.2", frame(0x82, std::string(125, '*')), {"close 1003"}}};
  for (const std::size_t size : {125U, 126U, 127U, 128U, 65'535U, 65'536U}) {
    cases.push_back({"1.1, " + std::to_string(size), text(asks_in(size)), {"message"}});
  }
  cases.push_back({"one byte too many", text(asks_in(65'537)), {"close 1009"}});
  // A length that is no length, and one that nobody sends.
  cases.push_back({"2^63",
                   std::string("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14),
                   {"close 1009"}});
  check(cases);
  check({{"1.1.8", text(asks_in(65'536)), {"message"}}}, 997);
  check({{"byte by byte", text(asks_in(300)), {"message"}}}, 1);
}

TEST_CASE("frames 2: pings are answered in order with what they hold, pongs are not") {
  const std::string bytes("\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 8);
  const std::string longest(125, 'p');
  Texts ten;
  std::string pings;
  for (int n = 0; n < 10; ++n) {
    pings += ping(std::to_string(n));
    ten.push_back("pong " + std::to_string(n));
  }
  const std::vector<Case> cases = {
      {"2.1", ping(), {"pong "}},
      {"2.2", ping("Hello, world!"), {"pong Hello, world!"}},
      {"2.3", ping(bytes), {"pong " + bytes}},
      {"2.4", ping(longest), {"pong " + longest}},
      {"2.5", ping(longest + "p"), {"close 1002"}},
      {"2.7", pong(), {}},
      {"2.8", pong("unsolicited"), {}},
      {"2.9", pong("unsolicited") + ping("x"), {"pong x"}},
      {"2.10", pings, ten},
      {"a long pong", pong(longest + "p"), {"close 1002"}},
  };
  check(cases);
  check({{"2.6", ping(longest), {"pong " + longest}}, {"2.11", pings, ten}}, 1);
}

TEST_CASE("frames 3 and 4: reserved bits and opcodes end the connection") {
  std::vector<Case> cases;
  for (unsigned bits = 1; bits < 8; ++bits) {
    for (const unsigned opcode : {1U, 8U, 9U, 10U}) {
      cases.push_back({"3, bits " + std::to_string(bits) + " of " + std::to_string(opcode),
                       text(asks) + frame(0x80 | bits << 4 | opcode, ""),
                       {"message", "close 1002"}});
    }
  }
  for (const unsigned opcode : {3U, 4U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 15U}) {
    for (const std::string payload : {"", "reserved"}) {
      cases.push_back({"4, opcode " + std::to_string(opcode),
                       text(asks) + frame(0x80 | opcode, payload) + ping(),
                       {"message", "close 1002"}});
    }
  }
  cases.push_back(
      {"not masked", text(asks) + std::string("\x81\x02{}", 4), {"message", "close 1002"}});
  check(cases);
}

TEST_CASE("frames 5: messages in fragments, with pings between them") {
  const std::string half = frame(0x01, asks.substr(0, 5));
  const std::string rest = frame(0x80, asks.substr(5));
  check({
      {"5.1", frame(0x09, "a") + frame(0x80, "b"), {"close 1002"}},
      {"5.2", frame(0x0a, "a") + frame(0x80, "b"), {"close 1002"}},
      {"5.3", half + rest, {"message"}},
      {"5.6", half + ping("between") + rest, {"pong between", "message"}},
      {"5.9", frame(0x80, "nothing") + text(asks), {"close 1002"}},
      {"5.12", frame(0x00, "nothing") + text(asks), {"close 1002"}},
      {"5.15", half + rest + frame(0x00, "x"), {"message", "close 1002"}},
      {"5.18", half + text(asks), {"close 1002"}},
      {"5.19", fragments(asks, 3, ping("p")), {"pong p", "pong p", "pong p", "pong p", "message"}},
      {"a binary message begun inside", half + frame(0x82, "x"), {"close 1002"}},
      {"empty ones", frame(0x01) + repeated(frame(0x00), 100) + frame(0x80, asks), {"message"}},
      {"a hundred thousand",
       frame(0x01) + repeated(frame(0x00), 100'000) + frame(0x80, asks),
       {"message"}},
      {"larger together", fragments(std::string(80'000, ' '), 1'000), {"close 1009"}},
      {"10.1.1", fragments(asks_in(65'536), 1'300), {"message"}},
  });
  check(
      {{"5.4", half + rest, {"message"}}, {"5.7", half + ping("b") + rest, {"pong b", "message"}}},
      1);
}

TEST_CASE("frames 6: UTF-8 in whole, over fragments and byte by byte") {
  const std::string greek = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
  std::vector<Case> cases = {
      {"6.1.2", frame(0x01) + frame(0x00) + frame(0x80), {"error invalid_json"}},
      {"6.1.3", frame(0x01) + frame(0x00, asks) + frame(0x80), {"message"}},
      {"6.2.1", text("Hello-\xc2\xb5@\xc3\x9f"), {"error invalid_json"}},
      {"6.4.1",
       frame(0x01, greek) + frame(0x00, "\xf4\x90\x80\x80") + frame(0x80, "x"),
       {"close 1007"}},
  };
  const Texts right = {greek,          "\xf0\x90\x80\x80", "\xef\xbf\xbf",    "\xf4\x8f\xbf\xbf",
                       "\xed\x9f\xbf", "\xee\x80\x80",     "\xef\xbf\xbd",    "\xc2\x80",
                       "\xdf\xbf",     "\xe0\xa0\x80",     "\xf0\x9f\xbf\xbe"};
  for (const std::string& sequence : right) {
    const std::string message = asks_with(sequence);
    cases.push_back({"right", text(message), {"message"}});
    cases.push_back({"right, in fragments", fragments(message, 1), {"message"}});
  }
  const Texts wrong = {"\xce",
                       "\xe1\xbd",
                       "\xf0\x90\x80",
                       "\x80",
                       "\xbf",
                       "\xc0\xaf",
                       "\xe0\x80\xaf",
                       "\xf0\x80\x80\xaf",
                       "\xf8\x80\x80\x80\xaf",
                       "\xfc\x84\x80\x80\x80\x80",
                       "\xc1\xbf",
                       "\xe0\x9f\xbf",
                       "\xed\xa0\x80",
                       "\xed\xbf\xbf",
                       "\xed\xa0\x80\xed\xb0\x80",
                       "\xf4\x90\x80\x80",
                       "\xf7\xbf\xbf\xbf",
                       "\xfe",
                       "\xff",
                       greek + "\xed\xa0\x80" + "edited"};
  for (const std::string& sequence : wrong) {
    const std::string message = asks_with(sequence);
    cases.push_back({"wrong", text(message), {"close 1007"}});
    cases.push_back({"wrong, in fragments", fragments(message, 1), {"close 1007"}});
    cases.push_back({"wrong at the end", text(sequence), {"close 1007"}});
  }
  check(cases);
}

TEST_CASE("frames 7: closes are answered, and nothing is heard after them") {
  const std::string longest(123, 'r');
  std::vector<Case> cases = {
      {"7.1.1", text(asks) + close_frame(1000), {"message", "close 1000"}},
      {"7.1.2", close_frame(1000) + close_frame(1000), {"close 1000"}},
      {"7.1.3", close_frame(1000) + ping("late"), {"close 1000"}},
      {"7.1.4", close_frame(1000) + text(asks), {"close 1000"}},
      {"7.1.5", frame(0x01, asks) + close_frame(1000) + frame(0x80), {"close 1000"}},
      {"7.3.1", frame(0x88), {"close 1000"}},
      {"7.3.2", frame(0x88, "\x03"), {"close 1002"}},
      {"7.3.4", close_frame(1000, "Hello"), {"close 1000"}},
      {"7.3.5", close_frame(1000, longest), {"close 1000"}},
      {"7.3.6", close_frame(1000, longest + "r"), {"close 1002"}},
      {"7.5.1", close_frame(1000, "\xce\xba\xed\xa0\x80"), {"close 1002"}},
  };
  for (const unsigned number : {1000U, 1001U, 1002U, 1003U, 1007U, 1008U, 1009U, 1010U, 1011U,
                                3000U, 3999U, 4000U, 4999U}) {
    cases.push_back({"7.7, " + std::to_string(number),
                     close_frame(number),
                     {"close " + std::to_string(number)}});
  }
  for (const unsigned number : {0U, 999U, 1004U, 1005U, 1006U, 1016U, 1100U, 2000U, 2999U}) {
    cases.push_back({"7.9, " + std::to_string(number), close_frame(number), {"close 1002"}});
  }
  check(cases);
}

TEST_CASE("frames: closes that the program begins are counted by code, those of peers are not") {
  const auto closes = [](const std::string& code) {
    return metric_of(serving().address(), "pgtide_closes_total{code=\"" + code + "\"}");
  };
  struct {
    std::string code;
    std::string bytes;
  } const cases[] = {{"1002", frame(0xc1)},
                     {"1002", close_frame(1005)},
                     {"1003", frame(0x82)},
                     {"1007", text("\xff")},
                     {"1009", text(asks_in(65'537))}};
  for (const auto& one : cases) {
    CAPTURE(one.code);
    const double before = closes(one.code);
    CHECK(answers(one.bytes, std::string::npos) == Texts{"close " + one.code});
    CHECK(closes(one.code) == before + 1);
    CHECK(answers(close_frame(static_cast<unsigned>(std::stoul(one.code))), std::string::npos) ==
          Texts{"close " + one.code});
    CHECK(closes(one.code) == before + 1);
  }
}
