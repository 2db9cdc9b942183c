// Random worlds: tables with user triggers that change the rows the outer statement has changed,
// cascades, key changes, functions inside statements, savepoints. Whoever replays the log,
// transaction by transaction and ordered by id, has the tables, after every transaction.
//
// A world is its seed. PGTIDE_WORLDS is how many are tried (a thousand takes minutes), PGTIDE_SEED
// where they begin.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

using Rows = std::map<std::string, std::string>;  // record id to the row's JSON
using Tables = std::map<std::string, Rows>;       // by collection

// Whether log tables are switched in the middle of statements, and writers told of it as ours are.
enum class Switches { none, told, hidden };

// What a SERIALIZABLE transaction knows of what it has logged: all, or nothing.
enum class Memory { unused, whole, none };

class World {
 public:
  World(Session& session, unsigned seed, bool repairing, Switches switches, Memory memory)
      : session_(session), random_(seed), switches_(switches), memory_(memory) {
    session_.run(
        "drop table if exists b, a cascade; truncate pgtide.log0, pgtide.log1, pgtide.log2;"
        "create table a (id int primary key, boss int references a on update cascade on delete set "
        "null, v int not null default 0, chosen boolean not null default false);"
        "create table b (id int primary key, a_id int not null references a on update cascade on "
        "delete cascade, v int not null default 0);"
        "select pgtide.watch('a'), pgtide.watch('b');");
    if (!repairing) stop_repairing();
    if (switches_ != Switches::none) make_switch();
    if (memory_ == Memory::none)
      session_.run("create or replace function pgtide.is_marked(c int, r text) returns boolean "
                   "language sql as 'select false'");
    make_triggers();
    // A trigger may be in the way of these rows: then the world begins empty.
    session_.attempt(
        "insert into a (id, boss) select g, nullif(g / 2, 0) from generate_series(1, 6) g");
    session_.attempt("insert into b select g, 1 + g % 6 from generate_series(1, 6) g");
  }

  // Empty: the replay had the tables after each of the transactions. Else what differed.
  std::string live(int transactions) {
    for (int n = 0; n < transactions; ++n) {
      play_transaction();
      if (const std::string difference = compare(); !difference.empty())
        return "transaction " + std::to_string(n) + ": " + difference + "\n" + told_;
      if (switches_ != Switches::none)
        session_.run("truncate pgtide.log0, pgtide.log1, pgtide.log2");
    }
    return "";
  }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string number(int below) { return std::to_string(1 + pick(below)); }

  void stop_repairing() {
    session_.run(
        "do $$ declare c int; begin for c in select id from pgtide.collection loop"
        " execute format('create or replace function pgtide.capture_%s() returns trigger "
        "language plpgsql as %L', c, pgtide.capture_source(c, false)); end loop; end $$");
  }

  // What a leader does, at any moment; it may seal with a later transaction's xid, or die before.
  void make_switch() {
    session_.run("select setseed(0.5)");
    const bool told = switches_ == Switches::told;
    session_.run(
        "create or replace function switch() returns int language plpgsql as $$ begin "
        "if random() < 0.3 then perform setval('pgtide.switched', " +
        std::string(told ? "9223372036854775807" : "0") + "); perform setval('pgtide.current', "
        "(pg_sequence_last_value('pgtide.current') + 1) % 3); " +
        (told ? "if random() < 0.5 then perform setval('pgtide.switched', txid_current() + 1); "
                "end if; "
              : "") +
        "end if; return 0; end $$");
  }

  std::string deed() {
    return (switches_ == Switches::none ? "" : "perform switch(); ") + bare_deed();
  }

  // A user's trigger function: what it does, between begin and end, with a guard against recursion.
  std::string bare_deed() {
    const std::string k = number(6), m = number(8);
    if (pick(2)) return "update a set v = v + 1 where id % 2 = " + std::to_string(pick(2));
    switch (pick(11)) {
      case 0: return "update a set chosen = false where chosen and id <> " + k;
      case 1: return "update a set v = v + 1 where id = " + k;
      case 2: return "update a set v = v + 1 where id % 3 = " + std::to_string(pick(3));
      case 3: return "delete from a where id = " + k;
      case 4: return "insert into a (id) values (" + m + ") on conflict (id) do update set "
                     "v = a.v + 1";
      case 5: return "update a set id = id + 10 where id = " + k +
                     " and not exists (select from a x where x.id = a.id + 10)";
      case 6: return "update a set id = id - 10 where id > 10"
                     " and not exists (select from a x where x.id = a.id - 10)";
      case 7: return "begin update a set v = v + 100; delete from b; raise exception 'no';"
                     " exception when raise_exception then null; end";
      case 8: return "begin update b set v = v + 1 where a_id = " + k + "; exception when others"
                     " then null; end";
      case 9: return "update a set v = v";
      default: return "delete from a where id = " + k + "; insert into a (id) values (" + k + ")";
    }
  }

  void make_triggers() {
    static const char* const events[] = {"insert", "update", "delete", "insert or update",
                                         "update or delete", "insert or update or delete"};
    // Most sort after pgtide's trigger, some before it.
    static const char* const names[] = {"keep", "zeal", "\" early"};
    for (int n = 0; n < 2 + pick(3); ++n) {
      const std::string name = "t" + std::to_string(n);
      session_.run("create or replace function " + name + "() returns trigger language plpgsql as "
                   "$$ begin if pg_trigger_depth() < " + std::to_string(2 + pick(2)) + " then " +
                   "begin " + deed() + "; exception when integrity_constraint_violation or "
                   "triggered_data_change_violation or cardinality_violation then null; end; "
                   "end if; return null; end $$");
      const std::string trigger = names[n % 3] + std::to_string(n) + (n % 3 == 2 ? "\"" : "");
      session_.run("create trigger " + trigger + " after " + events[pick(6)] + " on " +
                   (pick(4) ? "a" : "b") + (pick(5) ? " for each row" : "") +
                   " execute function " + name + "()");
    }
    session_.run("create or replace function touch(row_id int) returns int language plpgsql as "
                 "$$ begin " + deed() + "; return row_id; exception when others then return 0; "
                 "end $$");
  }

  std::string statement() {
    const std::string k = number(8), m = number(8);
    switch (pick(3) ? pick(12) : 2) {
      case 0: return "insert into a (id, v) values (" + k + ", 5), (" + m + "0, 6)";
      case 1: return "insert into a (id) values (" + k + ") on conflict (id) do update set "
                     "v = a.v + 7";
      case 2: return "update a set v = v + 1";
      case 3: return "update a set chosen = true where id = " + k;
      case 4: return "update a set id = " + m + " where id = " + k;
      case 5: return "update a set id = id + 20 where id < " + k;
      case 6: return "delete from a where id = " + k;
      case 7: return "delete from a where id % 2 = 0";
      case 8: return "update a set v = touch(id) where id <= " + k;
      case 9: return "merge into a using (values (" + k + "), (" + m + ")) s(id) on a.id = s.id "
                     "when matched then update set v = 9 "
                     "when not matched then insert (id) values (s.id)";
      case 10: return pick(6) ? "select * from a for update; update a set v = v + 2"
                              : "truncate a cascade";
      default: return "with d as (delete from b where id = " + k + " returning a_id) "
                      "insert into b select 10 + a_id, a_id from d on conflict do nothing";
    }
  }

  void tell(const std::string& sql) {
    const Outcome outcome = session_.attempt(sql);
    told_ += "  " + sql + (outcome.ok() ? "" : "  -- " + outcome.message) + "\n";
    failed_ = !outcome.ok();
  }

  void play_transaction() {
    told_.clear();
    tell(memory_ == Memory::unused ? "begin" : "begin isolation level serializable");
    session_.run("select pg_current_xact_id()");
    for (int n = 0; n < 1 + pick(5); ++n) {
      tell("savepoint s");
      if (memory_ == Memory::whole && pick(8) == 0) tell("discard sequences");
      tell(statement());
      if (failed_ || pick(6) == 0) tell("rollback to s");
    }
    tell(pick(8) ? "commit" : "rollback");
    session_.attempt("rollback");
  }

  // Takes what the log has beyond the last time, in its order, and compares.
  std::string compare() {
    for (const Row& change : session_.run(
             "select c.name, l.action, l.record, l.new_row, l.id from pgtide.log l join "
             "pgtide.collection c on c.id = l.collection where l.id > " + seen_ +
             " order by l.id")) {
      Rows& rows = replayed_[change[0]];
      if (change[1] == "t") rows.clear();
      if (change[1] == "c" || change[1] == "u") rows[change[2]] = change[3];
      if (change[1] == "d") rows.erase(change[2]);
      seen_ = change[4];
    }
    for (const std::string table : {"a", "b"}) {
      Rows rows;
      for (const Row& row : session_.run("select id, to_json(t) from " + table + " t"))
        rows[row[0]] = row[1];
      if (rows != replayed_[table]) return table + ": " + difference(rows, replayed_[table]);
    }
    return "";
  }

  static std::string difference(const Rows& table, const Rows& replayed) {
    for (const auto& [id, row] : table)
      if (!replayed.count(id) || replayed.at(id) != row)
        return row + " is " + (replayed.count(id) ? replayed.at(id) : "missing") + " in the replay";
    for (const auto& [id, row] : replayed)
      if (!table.count(id)) return row + " is in the replay only";
    return "";
  }

  Session& session_;
  std::mt19937 random_;
  Switches switches_;
  Memory memory_;
  Tables replayed_;
  std::string seen_ = "0";
  std::string told_;
  bool failed_ = false;
};

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

struct Outcomes {
  int wrong = 0;
  std::string first;
};

Outcomes try_worlds(int worlds, bool repairing, Switches switches = Switches::none,
                    Memory memory = Memory::unused) {
  constexpr int worlds_per_session = 25;  // a backend keeps what it knows of dropped functions
  InstalledDatabase database;
  Session session = database.session();
  Outcomes outcomes;
  const int first = number_from("PGTIDE_SEED", 1);
  for (int seed = first; seed < first + worlds; ++seed) {
    if ((seed - first) % worlds_per_session == 0) {
      session = database.session();
      session.run("set client_min_messages = error");
    }
    const std::string difference =
        World(session, static_cast<unsigned>(seed), repairing, switches, memory).live(12);
    if (difference.empty()) continue;
    if (outcomes.wrong++ == 0) outcomes.first = "seed " + std::to_string(seed) + ", " + difference;
  }
  return outcomes;
}

}  // namespace

TEST_CASE("worlds: whoever replays the log has the tables, after every transaction") {
  const Outcomes outcomes = try_worlds(number_from("PGTIDE_WORLDS", 40), true);
  CHECK_MESSAGE(outcomes.wrong == 0, outcomes.first);
}

TEST_CASE("worlds: without the repair the replay goes wrong, so the worlds are hard enough") {
  const Outcomes outcomes = try_worlds(30, false);
  CHECK(outcomes.wrong > 3);
}

TEST_CASE("worlds: so has whoever replays it where log tables are switched meanwhile") {
  const Outcomes outcomes =
      try_worlds(number_from("PGTIDE_WORLDS", 40), true, Switches::told);
  CHECK_MESSAGE(outcomes.wrong == 0, outcomes.first);
}

TEST_CASE("worlds: where writers are not told of a switch the replay goes wrong") {
  const Outcomes outcomes = try_worlds(30, true, Switches::hidden);
  CHECK(outcomes.wrong > 0);
}

TEST_CASE("worlds: so has whoever replays what SERIALIZABLE transactions have logged") {
  const Outcomes outcomes =
      try_worlds(number_from("PGTIDE_WORLDS", 40), true, Switches::none, Memory::whole);
  CHECK_MESSAGE(outcomes.wrong == 0, outcomes.first);
}

TEST_CASE("worlds: where SERIALIZABLE transactions forget what they logged the replay goes wrong") {
  CHECK(try_worlds(30, true, Switches::none, Memory::none).wrong > 3);
}
