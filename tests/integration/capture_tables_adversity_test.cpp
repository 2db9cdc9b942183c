#include <doctest/doctest.h>

#include <set>

#include "capture/inspection.hpp"
#include "integration/capture_scene.hpp"

// What is done to watched tables while a bridge runs. Nobody's writes fail, other tables go on,
// what is wrong is named with the command that mends it, and clients are told where they must read
// anew.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

struct Change {
  const char* why;
  const char* sql;
  const char* fault;  // of the collection; empty: there is none
  bool told;          // `resync_required` (schema_changed) comes of it
  const char* after;  // a change afterwards, committed without a word of pgtide's
  bool arrives;       // before anything is mended
};

const Change changes[] = {
    {"dropped", "drop table posts",
     "table public.posts is gone; run: pgtide unwatch posts", true, "select 1", false},
    {"dropped and made anew", "drop table posts; create table posts (id bigint primary key)",
     "was dropped and made anew, restored or swapped; run: pgtide watch public.posts", true,
     "insert into posts values (2)", false},
    {"renamed", "alter table posts rename to articles", "", false,
     "insert into articles values (2)", true},
    {"moved to another schema", "create schema other; alter table posts set schema other", "",
     false, "insert into other.posts values (2)", true},
    {"its column added", "alter table posts add column more text default 'x'", "", true,
     "insert into posts values (2)", true},
    {"its column dropped", "alter table posts drop column title", "", true,
     "insert into posts values (2)", true},
    {"rewritten", "alter table posts alter column title type varchar(20) using title", "", true,
     "insert into posts values (2)", true},
    {"its key's column renamed", "alter table posts rename column id to number", "", true,
     "insert into posts values (2)", true},
    {"its key changed",
     "alter table posts drop constraint posts_pkey, add column n int not null default 0, "
     "add primary key (n, id)",
     "has another primary key now; run: pgtide watch public.posts", true,
     "insert into posts values (2)", true},
    {"its key dropped", "alter table posts drop constraint posts_pkey",
     "no primary key; run: ALTER TABLE public.posts ADD PRIMARY KEY (id);", true,
     "insert into posts values (2)", true},
    {"its trigger disabled", "alter table posts disable trigger \"!pgtide\"",
     "is not ENABLE ALWAYS; run: pgtide watch public.posts", true, "insert into posts values (2)",
     false},
    {"its trigger dropped", "drop trigger \"!pgtide\" on posts",
     "lacks its trigger; run: pgtide watch public.posts", true, "insert into posts values (2)",
     false},
    {"given row-level security", "alter table posts enable row level security",
     "run: pgtide watch public.posts --ignore-rls", true, "insert into posts values (2)", true},
};

std::string fault_of(const Recorder& sink, const std::string& collection) {
  const auto catalog = sink.catalog();
  const Collection* found = catalog->find(collection);
  return found == nullptr ? "not watched" : found->fault;
}

bool is_told(const Recorder& sink, const std::string& collection) {
  for (const Event& event : sink.events())
    if (event.action == Action::schema_changed && event.collection == collection) return true;
  return false;
}

bool has_arrived(const Recorder& sink, const std::string& collection, const std::string& id) {
  for (const Event& event : sink.events())
    if (event.action == Action::create && event.collection == collection && event.record_id == id)
      return true;
  return false;
}

// A leader looks at the tables when it begins, and every thirty seconds.
void have_it_looked_at(const Database& database, Running& running) {
  const auto before = running.source->status().reconnects;
  end_sessions(database.url());
  eventually([&] { return running.source->status().reconnects > before; });
  running.wait_until_leading();
}

}  // namespace

TEST_CASE("tables: whatever is done to a watched table, it is named with its mend, and mended") {
  for (const Change& change : changes) {
    const std::string why = change.why;
    CAPTURE(why);
    Posts posts;
    Database& database = posts.database;
    database.run("create table beside (id int primary key)");
    watch_in(database, "beside");
    Running running(database);
    running.wait_until_leading();
    database.run("insert into posts values (1)");
    running.wait_for(1);
    database.run(change.sql);
    have_it_looked_at(database, running);
    eventually(
        [&] {
          const std::string fault = fault_of(running.sink, "posts");
          return change.fault[0] == '\0' ? fault.empty() : holds(fault, change.fault);
        },
        20s, [&] { return fault_of(running.sink, "posts"); });
    if (change.told) eventually([&] { return is_told(running.sink, "posts"); });
    database.run(change.after);
    database.run("insert into beside values (1)");
    eventually([&] { return has_arrived(running.sink, "beside", "1"); });
    CHECK(is_told(running.sink, "posts") == change.told);
    CHECK(has_arrived(running.sink, "posts", "2") == change.arrives);

    // As the command says, but for a table that is gone.
    if (why == "dropped") {
      CHECK(unwatch(database.url(), "posts").ok());
      eventually([&] { return fault_of(running.sink, "posts") == "not watched"; });
      continue;
    }
    if (change.fault[0] == '\0') continue;
    if (why == "its key dropped") database.run("alter table posts add primary key (id)");
    WatchOptions again{.table = "public.posts"};
    again.ignore_rls = why == "given row-level security";
    REQUIRE(watch(database.url(), again).ok());
    database.run("insert into posts values (3)");
    const std::string id = why == "its key changed" ? "0,3" : "3";
    eventually([&] { return has_arrived(running.sink, "posts", id); });
    eventually([&] { return fault_of(running.sink, "posts").empty(); }, 20s,
               [&] { return fault_of(running.sink, "posts"); });
    CHECK(running.sink.broken().empty());
    CHECK(running.source->status().fault.empty());
  }
}

TEST_CASE("tables: what is wrong with a table is named by bridges that follow, too") {
  Posts posts;
  posts.database.run("alter table posts disable trigger \"!pgtide\"");
  Running leader(posts.database);
  leader.wait_until_leading();
  Running follower(posts.database);
  eventually([&] { return follower.source->status().connected; });
  for (const Running* one : {&leader, &follower}) {
    eventually([&] {
      REQUIRE(one->source->refresh_catalog(20s));
      return holds(fault_of(one->sink, "posts"), "run: pgtide watch public.posts");
    });
  }
  watch_in(posts.database, "posts");
  for (const Running* one : {&leader, &follower})
    eventually([&] { return fault_of(one->sink, "posts").empty(); });
}

TEST_CASE("tables: a partition that is attached is told of, and followed from its first row") {
  InstalledDatabase database;
  database.run("create table parts (id int primary key, t text) partition by range (id)");
  database.run("create table low partition of parts for values from (0) to (100)");
  database.run("create table high (id int primary key, t text)");
  database.run("insert into high values (100)");
  watch_in(database, "parts");
  Running running(database);
  running.wait_until_leading();
  database.run("insert into parts values (1)");
  running.wait_for(1);
  database.run("alter table parts attach partition high for values from (100) to (200)");
  database.run("insert into high values (101)");
  database.run("insert into parts values (102)");
  eventually([&] { return has_arrived(running.sink, "parts", "102"); });
  CHECK(has_arrived(running.sink, "parts", "101"));
  have_it_looked_at(database, running);
  // Row 100 was there before: who has subscribed must read anew.
  eventually([&] { return is_told(running.sink, "parts"); });
  CHECK(fault_of(running.sink, "parts") == "");
  CHECK(running.sink.broken().empty());
}

TEST_CASE("tables: what is wrong with one is told while another is being watched") {
  Posts posts;
  posts.database.run("create table comments (id int primary key)");
  Running running(posts.database);
  running.wait_until_leading();
  Session other(posts.database.url());
  other.run("begin");
  other.run("select pgtide.watch('comments')");  // and it stays open
  posts.database.run("alter table posts disable trigger \"!pgtide\"");
  posts.database.run("notify pgtide_catalog");
  eventually([&] { return holds(fault_of(running.sink, "posts"), "run: pgtide watch"); }, 40s);
  other.run("rollback");
  REQUIRE(watch(posts.database.url(), {.table = "posts"}).ok());
  eventually([&] { return fault_of(running.sink, "posts").empty(); }, 40s);
}

TEST_CASE("tables: very many of them are watched, looked at in turns, and no change waits for it") {
  const long count = figure("TABLES", 250);  // 10,000 takes three minutes
  InstalledDatabase database;
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start).count();
  };
  Session session = database.session();
  const std::string loop = "for i in 1.." + std::to_string(count) + " loop ";
  session.run("do $$ begin " + loop +
              "execute format('create table t%s (id int primary key, t text)', i); "
              "if i % 100 = 0 then commit; end if; end loop; end $$");
  session.run("do $$ begin " + loop + "perform pgtide.watch(format('t%s', i)::regclass); "
              "if i % 100 = 0 then commit; end if; end loop; end $$");
  MESSAGE(count, " tables are watched after ", passed(), " ms");
  const std::string last = "t" + std::to_string(count);
  // One in the first turn, one in the last: a look at all at once would find both at once.
  session.run("alter table t2 disable trigger \"!pgtide\"");
  session.run("alter table " + last + " disable trigger \"!pgtide\"");
  Running running(database);
  running.wait_until_leading();
  MESSAGE("led after ", passed(), " ms");
  std::set<std::string> reported;  // so many, at one time or another
  long slowest = 0;
  int id = 0;
  eventually(
      [&] {
        const auto before = passed();
        session.run("insert into t1 values (" + std::to_string(++id) + ")");
        running.wait_for(static_cast<std::size_t>(id));
        slowest = std::max<long>(slowest, passed() - before);
        reported.insert(*session.value(
            "select count(*) from pgtide.collection where reported is not null"));
        return holds(fault_of(running.sink, last), "run: pgtide watch public." + last);
      },
      600s);
  MESSAGE("all looked at after ", passed(), " ms; the slowest change took ", slowest, " ms");
  CHECK(reported.contains("1"));
  REQUIRE(watch(database.url(), {.table = last}).ok());
  session.run("insert into " + last + " values (1)");
  eventually([&] { return has_arrived(running.sink, last, "1"); });
  const auto status = read_status(database.url());
  REQUIRE(status.ok());
  CHECK(holds(*status, "\"name\" : \"" + last + "\""));
  MESSAGE("status and all after ", passed(), " ms");
}
