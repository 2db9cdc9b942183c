#pragma once
#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "spec/alter_cell.hpp"
#include "spec/alter_replay.hpp"
#include "spec/alter_writes.hpp"
#include "support/running_bridge.hpp"
#include "support/tokens.hpp"

// Every cell of a table of ALTERs, under one bridge with two clients: one whom the rules show all,
// and a guest. The tables are changed by sessions that have the capture functions' plans for what
// was there before, and by a new one, before the leader's look and after it. What a client has
// then is what it would read, or it was told to read anew, and where changes are lost /readyz says
// what is wrong. All else is wrong in silence.
namespace pgtide::test {

struct MatrixSetup {
  std::vector<TableKind> kinds = every_kind;
  bool crash = false;  // the server dies after the ALTERs
};

// The server dies once the tables were altered and changed, and is started again.
inline const MatrixSetup after_crash{.kinds = {TableKind::open, TableKind::parted}, .crash = true};

// Some cells, under one bridge: it reads its catalog whenever a table has changed, and that costs
// the more the more tables there are.
class AlterBatch {
 public:
  AlterBatch(PrivatePostgres& server, std::vector<Trial> trials, bool crash)
      : server_(server), trials_(std::move(trials)), crash_(crash) {
    for (const Trial& trial : trials_)
      if (is_ruled(trial.kind)) ruled_.insert(trial.name);
  }

  void run() {
    open();
    subscribe();
    for (const Trial& trial : trials_) alter(trial);
    if (crash_) crash();
    have_it_looked_at();
    note(&Outcome::first);
    for (const Trial& trial : trials_) {
      write(*old_, trial, 5);
      write(*fresh_, trial, 6);
    }
    note(&Outcome::second);
    for (const Trial& trial : trials_) {
      const std::string seen = outcome(trial);
      const std::string what = std::string(trial.cell->name) + " @" + name_of(trial.kind) + " @";
      CAPTURE(what);
      CAPTURE(why_);
      // Of several, each is what some version of PostgreSQL comes to.
      const std::string expected = trial.expected();
      if (!holds(" | " + expected + " | ", " | " + seen + " | ")) CHECK(seen == expected);
      if (std::getenv("PGTIDE_TEST_PRINT") != nullptr) MESSAGE("@", what, seen, " @", why_);
    }
  }

 private:
  struct Step {
    bool told = false;
    std::string wrong{};  // how what a client has differs from what it would read
  };
  struct Outcome {
    std::string refused{};  // the SQLSTATE of the ALTER
    std::string writes{};   // of what writers were refused
    Step first{};
    Step second{};
  };

  void open() {
    std::string rules = "version: 1\ncollections:\n  sentinel:\n    table: probe.sentinel\n";
    for (const Trial& trial : trials_) rules += trial.rules();
    bridge_.emplace(
        BridgeSetup{
            .sql = "", .rules = rules, .adjust = [this](Config& config) { make_tables(config); }},
        server_);
    own_.emplace(bridge_->database.session());
    old_.emplace(bridge_->database.session());
    for (Session* session : {&*own_, &*old_}) session->run("set client_min_messages = error");
    for (Trial& trial : trials_) trial.database = bridge_->database.name();
  }
  void make_tables(Config& config) {
    config.auth = token_auth();
    config.limits.subscriptions_per_connection = 5'000;
    // The clients are silent while tables are altered.
    config.heartbeat.interval = std::chrono::hours(1);
    config.heartbeat.timeout = std::chrono::hours(2);
    config.limits.requests_per_second = 1'000'000;
    Session session(config.database.url);
    session.run(literal_sql);
    session.run("grant usage on schema probe to public");
    session.run(
        "create table probe.sentinel (id int primary key); "
        "select pgtide.watch('probe.sentinel')");
    for (const Trial& trial : trials_) {
      session.run(trial.table_sql());
    }
  }

  void subscribe() {
    ann_.emplace(bridge_->address(), "/realtime/subscribe",
                 std::vector<std::string>{bearer(token_of("ann", {"admin"}))});
    guest_.emplace(bridge_->address());
    for (Subscriber* client : {&*ann_, &*guest_}) {
      for (const Trial& trial : trials_) client->subscribe({trial.name + ".*"});
    }
    for (const Trial& trial : trials_) {
      for (Replay* replay : {&all_, &seen_})
        replay->of(trial.name).rows = replay->truth(*own_, trial, trial.name);
      write(*own_, trial, 1);
      write(*old_, trial, 2);
    }
    hear();
    for (const Trial& trial : trials_) {
      for (Replay* replay : {&all_, &seen_}) {
        CAPTURE(trial.name);
        REQUIRE(difference(replay->of(trial.name).rows, replay->truth(*own_, trial, trial.name)) ==
                "");
      }
    }
  }

  void alter(const Trial& trial) {
    Outcome& outcome = outcomes_[trial.name];
    const bool within = trial.kind == TableKind::within;
    if (within) {
      own_->run("begin");
      write(*own_, trial, 7);
    }
    if (!trial.cell->more.alone || &trial == &trials_.front())
      outcome.refused = attempt(trial.filled(trial.cell->sql));
    else
      outcome.refused = outcomes_[trials_.front().name].refused;
    if (within && outcome.refused.empty()) write(*own_, trial, 8);
    if (within) {
      const auto ended = own_->attempt(outcome.refused.empty() ? "commit" : "rollback");
      if (outcome.refused.empty()) outcome.refused = ended.sqlstate;
    }
    if (!has_table(trial)) return;
    write(*own_, trial, 3);
    write(*old_, trial, 4);
  }
  // Each statement by itself, but for a block between dollars.
  std::string attempt(const std::string& sql) {
    for (std::size_t at = 0; at < sql.size();) {
      const std::size_t end = std::min(sql.find("; ", at), sql.size());
      const auto done = own_->attempt(sql.substr(at, end - at));
      if (!done.ok()) {
        if (sql.starts_with("begin; ")) own_->run("rollback");
        why_ = done.message;
        return done.sqlstate;
      }
      at = end + 2;
    }
    return "";
  }
  // What the collection's table is called now, or another that has its name; empty: it is gone.
  std::string table_of(const Trial& trial) {
    const auto rows = own_->run(
        "select format('%I.%I', s.nspname, c.relname) from pgtide.collection w join pg_class c on "
        "c.oid = coalesce(pgtide.find_table(w.table_schema, w.table_name), w.relation) "
        "join pg_namespace s on s.oid = c.relnamespace where w.name = $1",
        {trial.name});
    return rows.empty() ? "" : rows[0][0];
  }
  bool has_table(const Trial& trial) { return !table_of(trial).empty(); }

  void write(Session& session, const Trial& trial, int block) {
    Outcome& outcome = outcomes_[trial.name];
    const std::string table = table_of(trial);
    if (table.empty()) return;
    std::set<std::string> refused;
    for (const std::string& change : WrittenTable(session, table).changes(block)) {
      const auto done = session.attempt(change);
      if (done.ok()) continue;
      refused.insert(done.sqlstate);
      why_writes_[trial.name] = done.message + " in: " + change;
      if (trial.kind == TableKind::within && &session == &*own_) break;
    }
    for (const std::string& state : refused)
      if (!holds(outcome.writes, state)) outcome.writes += " writes " + state;
  }

  void crash() {
    own_.reset();
    old_.reset();
    REQUIRE(server_.kill().ok());
    REQUIRE(server_.start().ok());
    own_.emplace(bridge_->database.session());
    old_.emplace(bridge_->database.session());
    bridge_->writer = bridge_->database.session();
  }

  // The leader looks every thirty seconds; what it would do is done now, and the bridge reads what
  // it has found.
  void have_it_looked_at() {
    fresh_.emplace(bridge_->database.session());
    for (const Trial& trial : trials_) {
      if (has_table(trial)) write(*fresh_, trial, 9);
    }
    own_->run("alter table probe.sentinel disable trigger \"!pgtide\"");
    eventually([&] {
      // The leader may have the turn, and a look without it keeps nothing.
      own_->run("begin");
      const bool turn = own_->value("select pgtide.try_watch_turn()") == "t";
      own_->run("select pgtide.look()");
      own_->run("commit");
      return turn;
    });
    own_->run("notify pgtide_catalog");
    eventually([&] { return !problem_of("sentinel").empty(); }, 60s);
    hear();
  }
  // What /readyz says of it, a line each.
  std::string problem_of(const std::string& collection) {
    const auto answer = nlohmann::json::parse(http(bridge_->operators(), "GET /readyz").body);
    std::string problems;
    for (const std::string problem : answer.at("problems"))
      if (holds(problem, collection + ": ")) problems += problem + "\n";
    return problems;
  }
  void hear() {
    all_.take(bridge_->raw_heard(*ann_), ruled_);
    seen_.take(bridge_->raw_heard(*guest_), ruled_);
  }
  // Compares what the clients have with what they would read, and has those who were told read.
  void note(Step Outcome::*step) {
    hear();
    for (const Trial& trial : trials_) {
      Step& noted = outcomes_[trial.name].*step;
      const std::string table = table_of(trial);
      for (Replay* replay : {&all_, &seen_}) {
        Replayed& one = replay->of(trial.name);
        if (one.closed) continue;
        const Rows truth = table.empty() ? Rows{} : replay->truth(*own_, trial, table);
        if (one.told) {
          noted.told = true;
          one.told = false;
          one.rows = truth;
        } else if (const std::string wrong = difference(one.rows, truth); !wrong.empty()) {
          noted.wrong += std::string(replay->guest() ? "guest:" : "ann:") + wrong;
          one.rows = truth;
        }
      }
    }
  }
  std::string outcome(const Trial& trial) {
    const Outcome& outcome = outcomes_[trial.name];
    const std::string problem = problem_of(trial.name);
    const bool closed = all_.of(trial.name).closed && seen_.of(trial.name).closed;
    const bool told = outcome.first.told || outcome.second.told;
    why_ = outcome.first.wrong + " | " + outcome.second.wrong + " | " + problem + " | " +
           why_writes_[trial.name];
    std::string seen = closed ? "closed" : told ? "told" : "follows";
    if (seen_.of(trial.name).leaked) seen = "LEAKED";
    if (!outcome.first.wrong.empty()) seen = "WRONG IN SILENCE";
    if (!outcome.second.wrong.empty()) seen = told && !problem.empty() ? "missed" : "WRONG LATER";
    if (all_.of(trial.name).closed != seen_.of(trial.name).closed) seen = "HALF CLOSED";
    if (closed && problem.empty()) seen = "CLOSED IN SILENCE";
    if (!outcome.refused.empty())
      seen = (seen == "follows" ? "" : seen + ", ") + "refused " + outcome.refused;
    seen += outcome.writes;
    if (problem.empty()) return seen;
    // As far as it is expected; else all of it.
    const std::string expected = trial.expected();
    const std::size_t at = expected.find(": ");
    const std::string part = at == std::string::npos ? "" : expected.substr(at + 2);
    return seen + ": " + (!part.empty() && holds(problem, part) ? part : problem);
  }

  PrivatePostgres& server_;
  std::vector<Trial> trials_;
  bool crash_;
  std::set<std::string> ruled_;
  std::optional<RunningBridge> bridge_;
  std::optional<Session> own_;  // which alters
  std::optional<Session> old_;  // which has plans from before
  std::optional<Session> fresh_;
  std::optional<Subscriber> ann_;
  std::optional<Subscriber> guest_;
  Replay all_{false};
  Replay seen_{true};
  std::map<std::string, Outcome> outcomes_;
  std::map<std::string, std::string> why_writes_;
  std::string why_;
};

// Tries all cells; how many there are, those of other versions of PostgreSQL among them.
// PGTIDE_TEST_CELL: of that name alone.
inline std::size_t try_alterations(const std::vector<AlterCell>& cells,
                                   const MatrixSetup& setup = {}) {
  constexpr std::size_t rows_per_batch = 8;
  std::optional<PrivatePostgres> own_server;
  if (setup.crash) own_server.emplace(make_cluster());
  PrivatePostgres& server = own_server ? *own_server : cluster();
  const int version = Session(server.url("postgres")).server_version() / 10'000;
  const char* wanted = std::getenv("PGTIDE_TEST_CELL");
  // What touches the whole database is done once, and not among changes.
  const auto has = [](const AlterCell& cell, TableKind kind) {
    return !cell.more.alone || kind != TableKind::within;
  };
  const auto count = [&](const std::vector<const AlterCell*>& tried) {
    std::size_t all = 0;
    for (const AlterCell* cell : tried)
      for (const TableKind kind : setup.kinds) all += has(*cell, kind) ? 1 : 0;
    return all;
  };
  std::vector<const AlterCell*> every_row;
  std::vector<const AlterCell*> rows;
  for (const AlterCell& cell : cells) {
    every_row.push_back(&cell);
    if (version < cell.more.since || version > cell.more.until) continue;
    if (wanted == nullptr || std::string(cell.name) == wanted) rows.push_back(&cell);
  }
  std::vector<Trial> trials;
  static int number = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ++number;
    for (const TableKind kind : setup.kinds) {
      if (!has(*rows[i], kind)) continue;
      const std::string name = std::to_string(number) + "_" + name_of(kind);
      trials.push_back({rows[i], kind, "c" + name, "s" + name});
    }
    const bool last = i + 1 == rows.size() || rows[i + 1]->more.alone || rows[i]->more.alone;
    if (!last && trials.size() < rows_per_batch * setup.kinds.size()) continue;
    AlterBatch(server, std::exchange(trials, {}), setup.crash).run();
  }
  MESSAGE(count(every_row), " cells, ", count(rows), " of them on this version of PostgreSQL");
  return count(every_row);
}

}  // namespace pgtide::test
