// What it costs to find the one who may see an event among those who may not: a broker alone, no
// socket and no database, so that nothing else is in the figures.

#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "broker/broker.hpp"
#include "support/bench.hpp"
#include "support/report.hpp"
#include "support/samples.hpp"
#include "support/usage.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::steady_clock;

constexpr const char* indexed = "string(record.owner_id) == user.id";
// Nothing to look up: each user's own condition is asked of each row.
constexpr const char* scanned = "string(record.owner_id).endsWith(user.id)";

std::shared_ptr<const Policy> make_policy(const std::string& where) {
  auto rules = std::make_shared<Rules>();
  CollectionRule posts{.name = "posts",
                       .table = "public.posts",
                       .subscribe = {.kind = Audience::Kind::authenticated}};
  auto parsed = Expression::parse(where);
  posts.where = RuleExpression{std::get<0>(parsed), std::vector<SourcePlace>(where.size() + 1)};
  rules->collections.emplace("posts", std::move(posts));
  using enum ColumnKind;
  std::vector<Collection> tables{{.id = 1,
                                  .name = "posts",
                                  .table = "public.posts",
                                  .key = {"id"},
                                  .columns = {"id", "owner_id", "title"},
                                  .types = {{number, json, "bigint"},
                                            {number, json, "bigint"},
                                            {text, json, "text"}}}};
  auto catalog = std::make_shared<Catalog>(std::move(tables), std::vector<std::string>{});
  auto policy = Policy::bind(std::move(rules), std::move(catalog), nullptr);
  if (!policy->problems().empty()) give_up(policy->problems().front());
  return policy;
}

// A broker with a connection for each of so many users, numbered from 1,000,000 on.
class Crowd {
 public:
  Crowd(std::shared_ptr<const Policy> policy, std::size_t users)
      : policy_(std::move(policy)),
        broker_({.limits = {.requests_per_second = 0}}, policy_, {1, 0, 0}) {
    for (std::size_t i = 0; i < users; ++i) add(first_user + i);
  }

  ConnectionNumber add(std::size_t user) {
    return broker_.open({.user = Principal{.id = std::to_string(user)}}, now_).number;
  }
  void subscribe_all() {
    for (ConnectionNumber i = 0; i < broker_.connection_count(); ++i) subscribe(i);
  }
  void subscribe(ConnectionNumber number) {
    const Reply reply =
        broker_.receive(number, R"({"type":"subscribe","pattern":"posts.*"})", now_);
    if (reply.frames.find("subscribed") == std::string::npos) give_up("not subscribed");
  }
  void unsubscribe(ConnectionNumber number) {
    (void)broker_.receive(number, R"({"type":"unsubscribe","pattern":"posts.*"})", now_);
  }

  // Delivers an update of the user's row; how many got it.
  std::size_t deliver(std::size_t user) {
    const std::string row = R"({"id":1,"owner_id":)" + std::to_string(user) + R"(,"title":")";
    Batch batch{.epoch = 1, .tick = ++tick_};
    batch.events.push_back({.id = tick_,
                            .action = Action::update,
                            .collection = "posts",
                            .record_id = "1",
                            .new_row = row + std::to_string(tick_) + "\"}",
                            .old_row = row + "before\"}",
                            .timestamp = "2026-11-24T10:15:30.123456Z"});
    std::size_t receivers = 0;
    broker_.deliver(batch, [&](const Delivery&) { ++receivers; });
    return receivers;
  }

  static constexpr std::size_t first_user = 1'000'000;

 private:
  std::shared_ptr<const Policy> policy_;
  Broker broker_;
  Broker::Clock::time_point now_{std::chrono::hours(1)};
  std::uint64_t tick_ = 0;
};

// Microseconds for an event that one of `users` sees, the middle of several turns.
double measure_event(const std::string& where, std::size_t users, unsigned turns, unsigned events) {
  Crowd crowd(make_policy(where), users);
  crowd.subscribe_all();
  Samples microseconds;
  std::size_t user = 0;
  for (unsigned turn = 0; turn < turns; ++turn) {
    const auto start = steady_clock::now();
    for (unsigned i = 0; i < events; ++i) {
      user = (user + 7'919) % users;  // a prime: no two neighbours
      if (crowd.deliver(Crowd::first_user + user) != 1) give_up("not one receiver");
    }
    const std::chrono::duration<double, std::micro> took = steady_clock::now() - start;
    microseconds.add(took.count() / events);
  }
  return microseconds.median();
}

void run(const BenchOptions& options) {
  Report report("match", "one event, one receiver, among many whose rules differ");
  const unsigned turns = choose(options.rounds, options, 21, 3);
  // First, while no freed memory is there to be used again.
  constexpr std::size_t crowd_users = 100'000;
  const Usage empty = usage_of(getpid());
  Crowd crowd(make_policy(indexed), crowd_users);
  const Usage connected = usage_of(getpid());
  crowd.subscribe_all();
  const Usage subscribed = usage_of(getpid());
  report.describe(std::string("where: ") + indexed + "; each user one subscription of posts.*");
  const std::vector<std::size_t> sizes{1'000, 10'000, 100'000};
  std::vector<double> by_index;
  for (const std::size_t users : sizes) {
    by_index.push_back(measure_event(indexed, users, turns, 2'000));
    report.add("an event among " + std::to_string(users), by_index.back(), "us");
  }
  report.add("100,000 against 1,000", by_index.back() / by_index.front(), "times");
  report.describe(std::string("scanned: ") + scanned);
  for (const std::size_t users : {std::size_t{1'000}, std::size_t{10'000}}) {
    report.add("scanned, among " + std::to_string(users),
               measure_event(scanned, users, 3, options.quick ? 2 : 20), "us");
  }

  const auto each = [](const Usage& before, const Usage& after) {
    return static_cast<double>(after.resident_bytes - before.resident_bytes) / crowd_users;
  };
  report.add("memory of a connection", each(empty, connected), "bytes");
  report.add("memory of a subscription", each(connected, subscribed), "bytes");
  const ConnectionNumber one = crowd.add(Crowd::first_user + crowd_users);
  constexpr unsigned requests = 20'000;
  const auto start = steady_clock::now();
  for (unsigned i = 0; i < requests / 2; ++i) {
    crowd.subscribe(one);
    crowd.unsubscribe(one);
  }
  const std::chrono::duration<double> took = steady_clock::now() - start;
  report.add("requests with 100,000 subscriptions there", requests / took.count(), "per s");
  report.print(options);
}

}  // namespace
}  // namespace pgtide::bench

int main(int argc, char** argv) {
  return pgtide::bench::run_bench(argc, argv, "The cost of matching", pgtide::bench::run);
}
