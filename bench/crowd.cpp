// What healthy readers notice of 200 anonymous connections that do their worst, from one address
// and from 200. Each attack is measured beside its control: the same crowd, in the same minute,
// before a second bridge of the same database. So the machine bears the attackers in both, and the
// difference is what the bridge itself lets its readers feel.

#include "auth/base64url.hpp"
#include "support/crowd.hpp"
#include "support/readers.hpp"
#include "support/rig.hpp"
#include "support/samples.hpp"
#include "support/socket.hpp"
#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned posts = 5'000;
constexpr std::size_t crowd_size = 200;
constexpr std::size_t healthy_count = 20;
constexpr unsigned changes_per_second = 100;
constexpr std::size_t filters_per_message = 100;
// Until the crowd is there and has used up what it may do at once.
constexpr std::chrono::seconds settling{2};
constexpr std::chrono::seconds settling_of_quick{1};

// Nobody has the other half.
constexpr const char* public_key =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECoMvwDvY5G9ygh5HZ7Mt/KQ0yiLM\n"
    "zF8ArjRg9EmVnJ+oaJP95THBM5frBCGMZRPlv5jEB6sKLC+mg553JbVS0w==\n"
    "-----END PUBLIC KEY-----\n";

// As from afar: loopback has rights of its own.
std::string request(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n" +
         headers + "\r\n";
}

std::string upgrade_request(const std::string& headers = "") {
  return request("/realtime/subscribe",
                 "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers);
}

// Each with another signature, of the right length: it has to be computed to be found wrong.
std::string forged_token() {
  static std::uint64_t number = 0;
  const std::string head = encode_base64url(R"({"alg":"ES256","typ":"JWT"})");
  const std::string claims = encode_base64url(R"({"sub":"mallory","exp":4102444800})");
  std::string signature(64, '\x11');
  const std::string digits = std::to_string(++number);
  signature.replace(8, digits.size(), digits);
  return head + "." + claims + "." + encode_base64url(signature);
}

std::string bearer() { return "Authorization: Bearer " + forged_token() + "\r\n"; }

std::string message_of_filters() {
  std::string entries;
  for (std::size_t i = 0; i < filters_per_message; ++i) {
    entries += (i == 0 ? "" : ",") + std::string(R"({"pattern":"posts.)") + std::to_string(i) +
               R"(","filter":"record.title.matches('[a-z]{9}$') && record.likes > )" +
               std::to_string(i) + "\"}";
  }
  return masked_frame(text_opcode, R"({"type":"subscribe","subscriptions":[)" + entries + "]}");
}

std::vector<Mischief> attacks() {
  const auto upgrade = [] { return upgrade_request(); };
  const auto health = [] { return request("/healthz"); };
  const auto forged_upgrade = [] { return upgrade_request(bearer()); };
  const auto forged_request = [] { return request("/realtime/connections", bearer()); };
  return {{.name = "connect"},
          {.name = "upgrade", .opening = upgrade},
          {.name = "forged upgrade", .opening = forged_upgrade, .next = forged_upgrade},
          {.name = "forged upgrade anew", .opening = forged_upgrade},
          {.name = "forged request", .opening = forged_request, .next = forged_request},
          {.name = "http", .opening = health, .next = health},
          {.name = "http anew", .opening = health},
          {.name = "filters", .opening = upgrade, .next = message_of_filters}};
}

// Single rows at a steady rate, whoever is late.
class Writer {
 public:
  explicit Writer(std::string url) : thread_([this, url] { write(url); }) {}
  ~Writer() {
    stopping_ = true;
    thread_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

 private:
  void write(const std::string& url) {
    Sql sql(url);
    auto due = steady_clock::now();
    for (unsigned id = 1; !stopping_; id = id % posts + 1) {
      sql.run("update posts set likes = likes + 1 where id = " + std::to_string(id));
      std::this_thread::sleep_until(due += std::chrono::microseconds(1'000'000 /
                                                                     changes_per_second));
    }
  }

  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

struct Scene {
  const Rig& rig;
  Readers& healthy;
  std::chrono::milliseconds settle{};
  unsigned seconds = 0;
  unsigned rounds = 0;
};

// What the healthy have seen beside one crowd, over all rounds.
struct Seen {
  Samples ages;
  std::uint64_t steps = 0;
};

void read_until(Readers& healthy, steady_clock::time_point until, Samples& ages) {
  while (steady_clock::now() < until) {
    healthy.poll(milliseconds(10), [&](std::size_t, std::string_view text) {
      if (is_record_event(text)) ages.add(age_ms(text));
    });
  }
}

void read_beside(const Scene& scene, const Crowd::Plan& plan, const Mischief& mischief,
                 Seen& seen) {
  const Crowd crowd(plan, mischief);
  const Writer writer(scene.rig.url("app"));
  Samples ignored;
  read_until(scene.healthy, steady_clock::now() + scene.settle, ignored);
  const std::uint64_t before = crowd.steps();
  read_until(scene.healthy, steady_clock::now() + std::chrono::seconds(scene.seconds), seen.ages);
  seen.steps += crowd.steps() - before;
}

struct Attack {
  Mischief mischief{};
  bool many_addresses = false;

  std::string name() const {
    return mischief.name + (many_addresses ? " from " + std::to_string(crowd_size) : " from one") +
           ": ";
  }
};

struct Targets {
  std::string bridge{};
  std::string control{};
};

// By turns, so that what else the machine does falls on both.
void measure(const Scene& scene, const Targets& targets, const Attack& attack, Report& report) {
  const bool many = attack.many_addresses;
  Seen control, attacked;
  for (unsigned round = 0; round < scene.rounds; ++round) {
    read_beside(scene, {targets.control, crowd_size, many}, attack.mischief, control);
    read_beside(scene, {targets.bridge, crowd_size, many}, attack.mischief, attacked);
  }
  const std::string name = attack.name();
  const double p50 = attacked.ages.median(), p99 = attacked.ages.quantile(0.99);
  report.add(name + "p50", p50, "ms");
  report.add(name + "p99", p99, "ms");
  report.add(name + "p50 of the control's", p50 / control.ages.median(), "times");
  report.add(name + "p99 of the control's", p99 / control.ages.quantile(0.99), "times");
  report.add(name + "steps", static_cast<double>(attacked.steps) / scene.seconds / scene.rounds,
             "per second");
}

void run(const BenchOptions& options) {
  Report report("crowd", "healthy readers beside 200 anonymous connections that do their worst");
  Rig rig(options);
  rig.make_database("app", posts);
  rig.watch("app");
  rig.folder().write("key.pem", public_key);
  const BridgeSetup setup{.flags = {"--auth.jwt.algorithms", "ES256",
                                    "--auth.jwt.public-key-file", rig.folder().file("key.pem")}};
  const auto bridge = rig.start_bridge("app", setup);
  const auto control = rig.start_bridge("app", setup);
  Readers healthy(bridge->address(), healthy_count, "posts.*");
  const Scene scene{rig, healthy, options.quick ? settling_of_quick : settling,
                    choose(options.seconds, options, 5, 1),
                    choose(options.rounds, options, 3, 1)};
  rig.describe(report);
  report.describe(std::to_string(healthy_count) + " healthy subscribers of posts.*; " +
                  std::to_string(changes_per_second) + " single-row updates a second; " +
                  std::to_string(scene.rounds) + " rounds of " + std::to_string(scene.seconds) +
                  " s, each after " + std::to_string(scene.settle.count()) +
                  " ms for the crowd to gather");
  report.describe("control: the same crowd before another bridge of the same database");
  report.describe("from the change in the writer's transaction to the frame, of every event; at "
                  "most " + std::to_string(Crowd::steps_per_second_max) + " steps a second");
  for (const Mischief& mischief : attacks()) {
    if (!options.only.empty() && options.only != mischief.name) continue;
    for (const bool many : {false, true}) {
      measure(scene, {bridge->address(), control->address()}, {mischief, many}, report);
    }
  }
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "Healthy readers beside a hostile crowd",
                                  pgtide::bench::run);
}
