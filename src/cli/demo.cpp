#include "cli/demo.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/demo_database.hpp"
#include "cli/demo_traffic.hpp"

namespace pgtide {
namespace {

// Each turn moves a fifth of the fleet, so each vehicle moves twice a second and the changes come
// as a steady trickle rather than in bursts.
constexpr int turn_ms = 100;
constexpr std::size_t groups = 5;
constexpr int turns_per_chatter = 6;
constexpr int reconnect_ms = 500;
constexpr double group_seconds = double(groups) * turn_ms / 1000;

Result<void> run_all(DemoDatabase& database, const std::vector<Statement>& statements) {
  if (const auto begun = database.run("begin"); !begun) return begun.error();
  for (const Statement& statement : statements) {
    if (const auto done = database.run(statement.sql, statement.parameters); !done) {
      const auto undone = database.run("rollback");
      return undone ? done.error() : undone.error();
    }
  }
  if (const auto committed = database.run("commit"); !committed) return committed.error();
  return {};
}

// The town's traffic, one turn after the other.
class Traffic {
 public:
  Traffic() : fleet_(make_fleet(chance_)) {}

  const std::vector<Vehicle>& fleet() const { return fleet_; }

  // What happens in the next tenth of a second, as one transaction each for town and people.
  std::vector<std::vector<Statement>> next_turn() {
    std::vector<Statement> moves;
    for (std::size_t at = turn_ % groups; at < fleet_.size(); at += groups)
      if (advance(fleet_[at], group_seconds, chance_)) moves.push_back(to_update(fleet_[at]));
    std::vector<std::vector<Statement>> transactions;
    if (!moves.empty()) transactions.push_back(std::move(moves));
    if (turn_++ % turns_per_chatter == 0) transactions.push_back({make_chatter(chance_)});
    return transactions;
  }

 private:
  std::mt19937 chance_{7};  // the same town every time
  std::vector<Vehicle> fleet_;
  std::size_t turn_ = 0;
};

}  // namespace

const std::vector<DemoCollection>& DemoWorld::collections() {
  static const std::vector<DemoCollection> tables = {{"posts", {"id"}, "public.posts"},
                                                     {"comments", {"id"}, "public.comments"},
                                                     {"vehicles", {"id"}, "public.vehicles"}};
  return tables;
}

Result<void> DemoWorld::create_tables(const std::string& url) {
  Result<DemoDatabase> database = DemoDatabase::connect(url);
  if (!database) return database.error();
  std::vector<Statement> statements = {{sample_tables_sql(), {}}};
  const Traffic traffic;
  for (const Vehicle& vehicle : traffic.fleet()) statements.push_back(to_insert(vehicle));
  return run_all(*database, statements);
}

DemoWorld::DemoWorld(std::string url) : url_(std::move(url)) {}

DemoWorld::~DemoWorld() {
  stop();
}

void DemoWorld::start() {
  if (thread_.joinable()) return;
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
}

void DemoWorld::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool DemoWorld::wait_ms(int milliseconds) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, std::chrono::milliseconds(milliseconds),
                         [this] { return stopping_; });
}

void DemoWorld::run() {
  Traffic traffic;
  do {
    Result<DemoDatabase> database = DemoDatabase::connect(url_);
    bool connected = database.ok();
    while (connected && wait_ms(turn_ms))
      for (const std::vector<Statement>& transaction : traffic.next_turn()) {
        // Whatever else fails (a visitor at psql has dropped a table, say) is not ours to mend.
        const Result<void> done = run_all(*database, transaction);
        if (!done && done.error().kind == ErrorKind::unavailable) connected = false;
      }
  } while (wait_ms(reconnect_ms));
}

Result<std::vector<DemoCollection>> watched_collections(const std::string& url) {
  Result<DemoDatabase> database = DemoDatabase::connect(url);
  if (!database) return database.error();
  const Error nothing{ErrorKind::not_found,
                      "nothing is watched in this database yet; run:\n"
                      "  pgtide install\n"
                      "  pgtide watch TABLE",
                      "pgtide demo"};
  if (const auto set = database->run("set search_path = pg_catalog, pg_temp"); !set)
    return set.error();
  const auto installed = database->run("select to_regclass('pgtide.collection') is not null");
  if (!installed) return installed.error();
  if (installed->front().front() != "t") return nothing;

  const auto rows = database->run(
      "select name, array_to_json(key), table_schema || '.' || table_name "
      "from pgtide.collection order by name");
  if (!rows) return rows.error();
  std::vector<DemoCollection> collections;
  for (const auto& row : *rows)
    collections.push_back(
        {row[0], nlohmann::json::parse(row[1]).get<std::vector<std::string>>(), row[2]});
  if (collections.empty()) return nothing;
  return collections;
}

}  // namespace pgtide
