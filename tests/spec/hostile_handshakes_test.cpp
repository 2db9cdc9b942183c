#include <string>
#include <vector>

#include "support/client_frame.hpp"
#include "support/frame_shape.hpp"
#include "support/serving.hpp"

// What arrives before the upgrade, and what is answered, against the program itself. Each refusal
// is counted, none is worth a line in the log, and after each of them others are served.
using namespace pgtide::test;

namespace hostile_handshakes {
namespace {

const std::string opening = "GET /realtime/subscribe HTTP/1.1\r\n";
const std::string host = "Host: localhost\r\n";
const std::string upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
const std::string version = "Sec-WebSocket-Version: 13\r\n";
const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string blank = "\r\n";

// A handshake as it should be, with other lines before its end.
std::string with(const std::string& lines) {
  return opening + host + upgrade + version + key + lines + blank;
}
// The same with another first line.
std::string begun_by(const std::string& line) {
  return line + "\r\n" + with("").substr(opening.size());
}
std::string without(const std::string& part, const std::string& instead = "") {
  std::string text = with("");
  text.replace(text.find(part), part.size(), instead);
  return text;
}
std::string many_headers(int count, const std::string& value) {
  std::string lines;
  for (int n = 0; n < count; ++n) lines += "X" + std::to_string(n) + ":" + value + "\r\n";
  return lines;
}
std::string client_hello() {
  return std::string("\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", 11) + std::string(196, 'r');
}
std::string bare_line_feeds() {
  std::string text = with("");
  std::erase(text, '\r');
  return text;
}
std::string broadcast(const std::string& lines, const std::string& body) {
  return "POST /realtime/broadcast_all HTTP/1.1\r\n" + host +
         "Content-Type: application/json\r\n" + lines + blank + body;
}

// The program, whose anonymous clients on loopback may broadcast.
struct Open {
  Open() {
    stage.folder.write("rules.yaml",
                       "version: 1\nall: public\ncollections:\n  posts:\n    subscribe: public\n");
    serving.emplace(stage, "port");
  }
  Stage stage;
  std::optional<Serving> serving;
};
const Serving& serving() {
  static const Open open;
  return *open.serving;
}

double refused(int status) {
  return metric_of(serving().address(),
                   "pgtide_http_refusals_total{status=\"" + std::to_string(status) + "\"}");
}
void check_service() {
  WireClient client(serving().address());
  CHECK(member(client.next(), "type") == "connected");
}

struct Case {
  std::string why;
  std::string bytes;
  int status;
  std::string says;  // a part of the message
};

void check(const std::vector<Case>& cases) {
  const auto complaints = serving().complaints();
  for (const Case& one : cases) {
    CAPTURE(one.why);
    const double before = refused(one.status);
    const HttpReply reply = answer_to(serving().address(), one.bytes);
    CHECK(reply.status == one.status);
    CHECK(reply.headers.at("content-type") == "application/json");
    CHECK_MESSAGE(holds(member(member(reply.body, "error"), "message"), one.says), reply.body);
    CHECK(refused(one.status) == before + 1);
    check_service();
  }
  CHECK(serving().complaints() == complaints);
}

}  // namespace

TEST_CASE("handshakes: what is no HTTP is told so") {
  const std::string no_http = "this is not HTTP";
  check({
      {"words", "hello there\r\n\r\n", 400, no_http},
      {"bytes", std::string("\x00\x01\xff\xfe\r\n\r\n", 8), 400, no_http},
      {"TLS on the plain port", client_hello(), 400, no_http},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", 400, no_http},
      {"the PROXY protocol", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + with(""), 400, no_http},
      {"HTTP/0.9", "GET /realtime/subscribe\r\n", 400, no_http},
      {"HTTP/1.2", begun_by("GET /realtime/subscribe HTTP/1.2"), 400, no_http},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, no_http},
      {"a frame before any handshake", masked(0x81, R"({"type":"ping"})"), 400, no_http},
      {"a space in the method", begun_by("GE T /realtime/subscribe HTTP/1.1"), 400, no_http},
      {"NUL in the path", begun_by(std::string("GET /real\0time HTTP/1.1", 23)), 400, no_http},
  });
}

TEST_CASE("handshakes: a wrong path, method or version is told so") {
  check({
      {"another path", begun_by("GET /elsewhere HTTP/1.1"), 404, "nothing is here"},
      {"a slash more", begun_by("GET /realtime/subscribe/ HTTP/1.1"), 404, "nothing is here"},
      {"a way around", begun_by("GET /x/../realtime/subscribe HTTP/1.1"), 404, "nothing is here"},
      {"percent", begun_by("GET /realtime%2fsubscribe HTTP/1.1"), 404, "nothing is here"},
      {"another path, as to a proxy", begun_by("GET http://localhost/elsewhere HTTP/1.1"), 404,
       "nothing is here"},
      {"CONNECT", begun_by("CONNECT example.org HTTP/1.1"), 404, "nothing is here"},
      {"POST", begun_by("POST /realtime/subscribe HTTP/1.1"), 405, "answers to GET"},
      {"methods have a case", begun_by("get /realtime/subscribe HTTP/1.1"), 405, "answers to GET"},
      {"HTTP/1.0", begun_by("GET /realtime/subscribe HTTP/1.0"), 426, "WebSocket endpoint"},
      {"no upgrade", without(upgrade), 426, "WebSocket endpoint"},
      {"an upgrade to something else", without("Upgrade: websocket", "Upgrade: h2c"), 426,
       "WebSocket endpoint"},
      {"no Connection", without("Connection: Upgrade\r\n"), 426, "WebSocket endpoint"},
      {"version 12", without(version, "Sec-WebSocket-Version: 12\r\n"), 426, "Version: 13"},
      {"no version", without(version), 426, "Version: 13"},
      {"two versions", with("Sec-WebSocket-Version: 8\r\n"), 426, "Version: 13"},
  });
  const HttpReply told = answer_to(serving().address(), without(version));
  CHECK(told.headers.at("sec-websocket-version") == "13");
}

TEST_CASE("handshakes: a field in several lines is read as one, in any case and among others") {
  const std::string both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  struct Good {
    const char* why;
    std::string lines;
  };
  const Good cases[] = {
      {"Connection in two lines",
       "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n"},
      {"the other way round", "Connection: upgrade\r\nConnection: keep-alive\r\n"
                              "Upgrade: websocket\r\n"},
      {"in three, apart from each other",
       "Connection: keep-alive\r\nUpgrade: websocket\r\nConnection: X-This\r\n"
       "Connection: UPGRADE, X-That\r\n"},
      {"an empty line of it", "Connection:\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"},
      {"Upgrade as a list", "Upgrade: h2c, WebSocket\r\nConnection: Upgrade\r\n"},
      {"Upgrade in two lines",
       "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"},
  };
  for (const Good& one : cases) {
    CAPTURE(one.why);
    const HttpReply reply = answer_to(serving().address(), without(both, one.lines));
    CHECK_MESSAGE(reply.status == 101, reply.body);
  }
  check({
      {"the other words alone", without(both, "Upgrade: websocket\r\nConnection: keep-alive\r\n"
                                              "Connection: X-Upgrade\r\n"),
       426, "WebSocket endpoint"},
      {"no websocket among them", without(both, "Upgrade: h2c\r\nUpgrade: h3\r\n"
                                                "Connection: Upgrade\r\n"),
       426, "WebSocket endpoint"},
  });
  // Of an HTTP connection that one line of two ends, nothing more is read.
  const std::string asked = "GET /healthz HTTP/1.1\r\n" + host + "Connection: keep-alive\r\n" +
                            "Connection: close\r\n" + blank;
  CHECK(answer_to(serving().address(), asked).headers.at("connection") == "close");
}

TEST_CASE("handshakes: a target in absolute form is taken as its path, and its host as Host") {
  struct Good {
    const char* why;
    std::string bytes;
    int status;
  };
  const auto asks = [](const std::string& line, const std::string& lines = host) {
    return line + " HTTP/1.1\r\n" + lines + "Connection: close\r\n" + blank;
  };
  const std::string elsewhere = "Host: rebound.example\r\n";
  const Good cases[] = {
      {"a handshake", begun_by("GET http://localhost/realtime/subscribe HTTP/1.1"), 101},
      {"with a port", begun_by("GET http://localhost:0/realtime/subscribe HTTP/1.1"), 101},
      {"over TLS, which a proxy ended",
       begun_by("GET HTTPS://LOCALHOST/realtime/subscribe HTTP/1.1"), 101},
      {"with a query", begun_by("GET http://[::1]:0/realtime/subscribe?x=y HTTP/1.1"), 101},
      {"HTTP", asks("GET http://localhost/healthz"), 200},
      {"no path", asks("GET http://localhost"), 404},
      {"a query and no path", asks("GET http://localhost?/healthz"), 404},
      {"another method", asks("OPTIONS http://localhost/healthz"), 405},
      {"Host is not read", asks("GET http://localhost/healthz", elsewhere), 200},
      {"loopback's rights are of the host there", asks("GET http://localhost/metrics", elsewhere),
       200},
  };
  for (const Good& one : cases) {
    CAPTURE(one.why);
    const HttpReply reply = answer_to(serving().address(), one.bytes);
    CHECK_MESSAGE(reply.status == one.status, reply.body);
  }
  const std::string wrong = "a target is a path, or begins with http:// or https:// and a host";
  check({
      {"another scheme", asks("GET ftp://localhost/healthz"), 400, wrong},
      {"the socket's scheme", begun_by("GET ws://localhost/realtime/subscribe HTTP/1.1"), 400,
       wrong},
      {"no host", asks("GET http:///healthz"), 400, wrong},
      {"a port and no host", asks("GET http://:80/healthz"), 400, wrong},
      {"a name and password", asks("GET http://localhost@rebound.example/healthz"), 400, wrong},
      {"a backslash", asks("GET http://localhost\\@rebound.example/healthz"), 400, wrong},
      {"another site's host", asks("GET http://rebound.example/healthz"), 403, "loopback names"},
      {"another site's, and a handshake",
       begun_by("GET http://rebound.example/realtime/subscribe HTTP/1.1"), 403, "loopback names"},
      {"no Host", asks("GET http://localhost/healthz", ""), 400, "exactly one Host"},
      {"two hosts", asks("GET http://localhost/healthz", host + elsewhere), 400,
       "exactly one Host"},
  });
}

TEST_CASE("handshakes: one key of 16 bytes and one host are asked for") {
  const std::string wants = "one Sec-WebSocket-Key: 16 bytes in base64";
  const auto keyed = [](const std::string& text) {
    return without(key, "Sec-WebSocket-Key: " + text + "\r\n");
  };
  const auto counted = [] {
    return metric_of(serving().address(), "pgtide_handshakes_refused_total");
  };
  const double before = counted();
  check({
      {"no key", without(key), 400, wants},
      {"an empty key", keyed(""), 400, wants},
      {"a short key", keyed("dGhlIHNhbXBsZSBub25j"), 400, wants},
      {"a long key", keyed(std::string(5'000, 'a')), 400, wants},
      {"not base64", keyed("dGhlIHNhbXBsZSBub25j*g=="), 400, wants},
      {"the same key twice", with(key), 400, wants},
      {"two keys", with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), 400, wants},
      {"no host", without(host), 400, "exactly one Host"},
      {"two hosts", with(host), 400, "exactly one Host"},
      {"another host behind a fold", without(host, "Host: evil\r\n localhost\r\n"), 403,
       "loopback names only"},
      {"another site's page", with("Origin: https://evil.example\r\n"), 403, "Origin"},
      {"a wrong credential", with("Authorization: Bearer a.b.c\r\n"), 401, "no tokens"},
      {"two credentials", with("Authorization: Bearer a\r\nX-API-Key: b\r\n"), 401, "send one"},
  });
  CHECK(counted() == before + 13);
}

TEST_CASE("handshakes: what is too large is refused before it is all there") {
  const std::string large(1'000'000, 'x');
  check({
      {"a header of 1 MB", with("X: " + large + "\r\n"), 431, "16 KiB"},
      {"a name of 1 MB", with(large + ": x\r\n"), 431, "16 KiB"},
      {"a path of 1 MB", begun_by("GET /" + large + " HTTP/1.1"), 431, "16 KiB"},
      {"a thousand headers", with(many_headers(1'000, std::string(20, 'x'))), 431, "16 KiB"},
      {"129 short ones", with(many_headers(129, "")), 431, "128 lines"},
      {"a million", with(many_headers(1'000'000, "")), 431, "16 KiB"},
      {"a body of 10 MB", broadcast("Content-Length: 10000000\r\n", ""), 413, "1 MiB"},
  });
  // Up to that they do no harm; the client has six of its own, and an empty line.
  WireClient client(serving().address(), "/realtime/subscribe",
                    std::vector<std::string>(120, "X:"));
  CHECK(member(client.next(), "type") == "connected");
}

TEST_CASE("handshakes: no request hides in another") {
  const std::string hidden = "GET /metrics HTTP/1.1\r\n" + host + blank;
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string no_http = "this is not HTTP";
  const auto chunks = [&](const std::string& body) { return broadcast(chunked, body); };
  check({
      {"Content-Length, then chunked", with("Content-Length: 5\r\n" + chunked), 400, no_http},
      {"chunked, then Content-Length", with(chunked + "Content-Length: 5\r\n"), 400, no_http},
      {"two lengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400, no_http},
      {"a negative length", with("Content-Length: -1\r\n"), 400, no_http},
      {"a signed length", with("Content-Length: +1\r\n"), 400, no_http},
      {"a length past 2^64", with("Content-Length: 99999999999999999999\r\n"), 400, no_http},
      {"the largest length", with("Content-Length: 18446744073709551615\r\n"), 413, "1 MiB"},
      {"chunked, then not", with(chunked + "Transfer-Encoding: identity\r\n"), 400, no_http},
      {"almost chunked", with("Transfer-Encoding: xchunked\r\n") + hidden, 400, "end in chunked"},
      {"bare line feeds", bare_line_feeds(), 400, no_http},
      {"one bare line feed", with("X: a\nY: b\r\n"), 400, no_http},
      {"a bare carriage return", with("X: a\rY: b\r\n"), 400, no_http},
      {"a space before the colon", with("Content-Length : 5\r\n"), 400, no_http},
      {"a space before the name", without(host, " " + host), 400, no_http},
      {"no name", with(": x\r\n"), 400, no_http},
      {"NUL in a value", with(std::string("X: a\0b\r\n", 8)), 400, no_http},
      {"NUL in a name", with(std::string("X\0: a\r\n", 7)), 400, no_http},
      {"an upgrade with a body", with("Content-Length: 5\r\n") + "hello", 400, "has no body"},
      {"an upgrade in chunks", with(chunked) + "0\r\n\r\n", 400, "has no body"},
      {"an upgrade that waits to go on", with("Content-Length: 5\r\nExpect: 100-continue\r\n"), 400,
       "has no body"},
      {"no chunk", chunks("zz\r\n{}\r\n0\r\n\r\n"), 400, no_http},
      {"a chunk of 2^64 and more", chunks("fffffffffffffffff\r\n{}"), 400, no_http},
      {"a chunk that goes on", chunks("1\r\n{}\r\n0\r\n\r\n"), 400, no_http},
      {"a chunk of 2^64 - 1", chunks("ffffffffffffffff\r\n{}"), 413, "1 MiB"},
  });
}

TEST_CASE("handshakes: what a refused request says of its end is not believed") {
  // The second request is never answered: were it, a proxy could be led to hand it to another.
  const std::string hidden = "GET /metrics HTTP/1.1\r\n" + host + blank;
  struct {
    std::string why;
    std::string lines;
    std::string body;
  } const cases[] = {
      {"a body that nobody reads", "Content-Length: 41\r\n", ""},
      {"chunks that nobody reads", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"},
      {"an encoding that is unknown", "Transfer-Encoding: xchunked\r\n", ""},
  };
  for (const auto& one : cases) {
    CAPTURE(one.why);
    WireSocket socket(serving().address());
    socket.write("GET /healthz HTTP/1.1\r\n" + host + one.lines + blank + one.body + hidden);
    std::string all;
    while (socket.read(all, patience)) {
    }
    CHECK(socket.ended());
    CHECK(all.find("HTTP/1.1 ") == 0);
    CHECK(all.find("HTTP/1.1 ", 1) == std::string::npos);
    CHECK(!holds(all, "pgtide_connections"));
  }
}

TEST_CASE("handshakes: what stands behind the upgrade is frames and nothing else") {
  struct {
    std::string why;
    std::string bytes;
    unsigned code;
  } const cases[] = {
      {"a second request", "GET /metrics HTTP/1.1\r\n" + host + blank, 1002},
      {"a second handshake", with(""), 1002},
      {"TLS", client_hello(), 1002},
  };
  for (const auto& one : cases) {
    CAPTURE(one.why);
    WireClient client(serving().address());
    CHECK(member(client.next(), "type") == "connected");
    const std::string counted = "pgtide_closes_total{code=\"" + std::to_string(one.code) + "\"}";
    const double before = metric_of(serving().address(), counted);
    client.send_bytes(one.bytes);
    CHECK(client.closed() == one.code);
    CHECK(metric_of(serving().address(), counted) == before + 1);
    check_service();
  }
  // An empty body is none, however often it is said.
  WireClient empty(serving().address(), "/realtime/subscribe",
                   {"Content-Length: 0", "Content-Length: 0", "Expect: nothing"});
  CHECK(member(empty.next(), "type") == "connected");
}

TEST_CASE("handshakes: whoever is refused and goes on sending is cut off") {
  Stage stage;
  const Serving alone(stage, "port");
  const auto held = [&] { return metric_of(alone.address(), "process_open_fds"); };
  // Connections that asked before may still be there.
  double without = held();
  int alike = 0;
  eventually([&] {
    const double now = held();
    alike = now < without ? 0 : alike + 1;
    without = std::min(without, now);
    return alike == 10;
  });
  WireSocket socket(alone.address());
  socket.write("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  std::string heard;
  eventually([&] {
    socket.write("x");
    socket.read(heard, std::chrono::milliseconds(20));
    return holds(heard, "404");
  });
  CHECK(held() > without);
  eventually([&] {
    socket.write("x");
    return held() <= without;
  });
}

TEST_CASE("handshakes: byte by byte they are served in time, and given up past it") {
  const auto send_slowly = [](WireSocket& socket, std::string& heard, int pause_ms) {
    for (const char byte : with("")) {
      socket.write({&byte, 1});
      if (socket.read(heard, std::chrono::milliseconds{pause_ms}) || socket.ended()) return;
    }
  };
  WireSocket patient(serving().address());
  std::string heard;
  send_slowly(patient, heard, 1);
  while (!holds(heard, "connected") && patient.read(heard, patience)) {
  }
  CHECK(heard.starts_with("HTTP/1.1 101"));

  const Stage stage;
  const Serving hasty(stage, "hasty", {"--limits.handshake-timeout", "500ms"});
  const auto expired = [&] { return metric_of(hasty.address(), "pgtide_requests_expired_total"); };
  WireSocket late(hasty.address());
  std::string nothing;
  send_slowly(late, nothing, 20);  // 180 bytes: three seconds and more
  CHECK(late.ended());
  CHECK(nothing.empty());
  CHECK(expired() == 1);
  // One that rests after an answer is let go of as well, but has done nothing wrong.
  WireSocket resting(hasty.address());
  resting.write("GET /healthz HTTP/1.1\r\n" + host + blank);
  while (resting.read(nothing, patience)) {
  }
  CHECK(resting.ended());
  CHECK(expired() == 1);
  WireClient other(hasty.address());
  CHECK(member(other.next(), "type") == "connected");
}

}  // namespace hostile_handshakes
