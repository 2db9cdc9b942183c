#pragma once
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "pgtide/bridge.hpp"
#include "support/eventually.hpp"
#include "support/folder.hpp"
#include "support/frame_shape.hpp"
#include "support/installed_database.hpp"
#include "support/wire_client.hpp"

// Lists of frames in a failed test's output: a line each.
namespace doctest {
template <>
struct StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& texts) {
    std::string all = "[";
    for (const std::string& text : texts) all += "\n    " + text.substr(0, 2'000);
    return (all + "\n  ]").c_str();
  }
};
}  // namespace doctest

// A database with pgtide in it, a bridge on it in this very program, and its clients: what the
// tests of the contract stand on.
namespace pgtide::test {

// What RunningBridge sends to know how far a client has come; clients do not show it.
inline bool is_barrier(const std::string& frame) {
  return frame.find(R"("data":{"barrier":)") != std::string::npos;
}

// A client that has read its `connected`.
class Subscriber : public WireClient {
 public:
  explicit Subscriber(const std::string& address, const std::string& target = "/realtime/subscribe",
                      const std::vector<std::string>& headers = {})
      : WireClient(address, target, headers), greeting_(next()) {}

  const std::string& greeting() const { return greeting_; }
  std::string id() const { return member(greeting_, "connection_id"); }

  std::optional<std::string> next_within(std::chrono::milliseconds limit) {
    auto frame = WireClient::next_within(limit);
    while (frame && is_barrier(*frame)) frame = WireClient::next_within(limit);
    return frame;
  }
  std::string next() {
    std::string frame = WireClient::next();
    while (is_barrier(frame)) frame = WireClient::next();
    return frame;
  }
  std::string hear() { return shape(next()); }
  std::string ask(const std::string& message) {
    send(message);
    return hear();
  }
  std::string ask_for(const std::string& pattern) {
    return ask(R"({"type":"subscribe","pattern":")" + pattern + "\"}");
  }
  // Subscribes, each in a request of its own, and insists on it.
  void subscribe(const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) {
      REQUIRE(ask_for(pattern) ==
              json(R"({"type":"subscribed","cursor":"<cursor>","pattern":")" + pattern + "\"}"));
    }
  }

 private:
  std::string greeting_;
};

struct BridgeSetup {
  std::string sql{};    // run once pgtide is installed: tables, and `select pgtide.watch(...)`
  std::string rules{};  // rules.yaml; empty: there is no such file
  std::function<void(Config&)> adjust{};
};

// posts(id, title, body), comments(post_id, n, text), both watched; every collection is public.
inline BridgeSetup blog(std::function<void(Config&)> adjust = {}) {
  return {.sql =
              "create table posts (id bigint primary key, title text, body text);"
              "create table comments (post_id int, n text, text text, primary key (post_id, n));"
              "select pgtide.watch('posts'), pgtide.watch('comments');",
          .rules =
              "version: 1\n"
              "all: public\n"
              "collections:\n"
              "  posts:\n    subscribe: public\n"
              "  comments:\n    subscribe: public\n"
              "  notifications:\n    subscribe: public\n",
          .adjust = std::move(adjust)};
}

class RunningBridge {
 public:
  // Returns when /readyz says yes.
  explicit RunningBridge(const BridgeSetup& setup, PrivatePostgres& server = cluster())
      : database("", server),
        writer(database.session()),
        bridge_(make_config(setup)) {
    if (!setup.sql.empty()) writer.run(setup.sql);
    const auto started = bridge_.start();
    if (!started) FAIL(started.error().to_string());
    HttpReply reply;
    eventually([&] { return (reply = http(operators(), "GET /readyz")).status == 200; }, patience,
               [&] { return reply.body; });
  }

  std::string address() const { return bridge_.address(); }
  std::string operators() const {
    return bridge_.admin_address().empty() ? address() : bridge_.admin_address();
  }
  Bridge& bridge() { return bridge_; }
  BridgeRealtime& realtime() { return bridge_.realtime(); }
  Subscriber connect() const { return Subscriber(address()); }
  // A client that gets what is committed from now on: what is committed already, and may come after
  // `subscribed`, has been read.
  Subscriber connect(const std::vector<std::string>& patterns) {
    Subscriber subscriber(address());
    subscriber.subscribe(patterns);
    raw_heard(subscriber);
    return subscriber;
  }
  std::vector<Row> run(const std::string& sql) { return writer.run(sql); }

  void write_rules(const std::string& text) { folder_.write("rules.yaml", text); }
  std::string rules_path() const { return folder_.path("rules.yaml"); }

  // The frames that the subscriber gets for all that is committed by now. No waiting for what does
  // not come: an event to everyone is sent after it, and order does the rest.
  std::vector<std::string> raw_heard(WireClient& client) {
    const std::string mark = R"({"barrier":)" + std::to_string(++barriers_) + "}";
    writer.run("select pgtide_api.broadcast_all('" + mark + "')");
    std::vector<std::string> frames;
    for (;;) {
      std::string frame = client.next();
      if (!is_barrier(frame)) {
        frames.push_back(std::move(frame));
      } else if (member(frame, "data") == mark) {
        return frames;
      }
    }
  }
  std::vector<std::string> heard(Subscriber& subscriber) {
    std::vector<std::string> frames = raw_heard(subscriber);
    for (std::string& frame : frames) frame = shape(frame);
    return frames;
  }

  // The value of a line of /metrics; fails the test where it is missing.
  double metric(const std::string& name) const {
    return metric_of(operators(), name);
  }

  InstalledDatabase database;
  Session writer;

 private:
  Config make_config(const BridgeSetup& setup) {
    Config config;
    config.database.url = database.url();
    config.server.port = 0;
    config.server.threads = 2;
    config.rules = folder_.path("rules.yaml");
    if (!setup.rules.empty()) write_rules(setup.rules);
    if (setup.adjust) setup.adjust(config);
    return config;
  }

  Folder folder_;
  int barriers_ = 0;
  Bridge bridge_;
};

}  // namespace pgtide::test
