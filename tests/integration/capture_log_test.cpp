#include <pqxx/pqxx>

#include "capture/change_query.hpp"
#include "integration/capture_recorder.hpp"
#include "support/memory.hpp"
#include "support/text.hpp"

// The log's size and history: large batches, large rows, rows that cannot be sent, rotation, and a
// database that is not what it was. PGTIDE_TEST_ROWS makes the large batch larger.

using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

void end_pagers(const Database& database) {
  Session(database.url())
      .run(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = "
          "'pgtide' "
          "and pid not in (select pid from pg_locks where locktype = 'advisory') "
          "and datname = current_database()");
}

}  // namespace

TEST_CASE("capture: a transaction of any size streams in pieces and in flat memory") {
  Posts posts;
  Running running(posts.database);
  running.sink.keep_events = false;
  running.wait_until_leading();
  const auto rows = static_cast<std::size_t>(figure("ROWS", 60'000));
  const std::size_t before = peak_bytes();
  posts.database.run("insert into posts select g, repeat('x', 200) from generate_series(1, " +
                     std::to_string(rows) + ") g");
  running.wait_for(rows, 600s);
  CHECK(running.sink.broken() == std::vector<std::string>{});
  const std::size_t grown = (peak_bytes() - before) / 1'048'576;
  MESSAGE(rows, " rows in ", running.sink.pieces(), " pieces; memory grew by ", grown, " MiB");
#ifndef PGTIDE_SANITIZE
  CHECK(grown < 64);
#endif
}

TEST_CASE("capture: a large batch behind a gap of ids is weighed in pieces") {
  Posts posts;
  Running running(posts.database);
  running.sink.keep_events = false;
  running.wait_until_leading();
  const auto rows = static_cast<std::size_t>(figure("ROWS", 110'000));  // past searched_changes_max
  const std::size_t before = peak_bytes();
  posts.database.run(
      "begin; insert into posts values (0); "
      "select setval('pgtide.change_id', nextval('pgtide.change_id') + 3000000); "
      "insert into posts select g from generate_series(1, " +
      std::to_string(rows) + ") g; commit");
  running.wait_for(rows + 1, 600s);
  CHECK(running.sink.broken() == std::vector<std::string>{});
  const std::size_t grown = (peak_bytes() - before) / 1'048'576;
  MESSAGE(rows, " rows; memory grew by ", grown, " MiB");
#ifndef PGTIDE_SANITIZE
  CHECK(grown < 32);
#endif
}

TEST_CASE("capture: a large batch goes on where it was when its connection is lost") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  running.sink.hold(true);
  posts.database.run(
      "insert into posts select g, repeat('x', 1000) from generate_series(1, 6000) g");
  eventually([&] { return running.sink.count() > 0; }, 20s);
  const std::size_t first = running.sink.count();
  end_pagers(posts.database);
  running.sink.hold(false);
  running.wait_for(6000, 30s);
  CHECK(first < 6000);
  CHECK(running.source->status().reconnects > 0);
  std::vector<std::string> ids;
  std::vector<std::string> expected;
  for (const Event& event : running.sink.events()) ids.push_back(event.record_id);
  for (int id = 1; id <= 6000; ++id) expected.push_back(std::to_string(id));
  CHECK(ids == expected);
  CHECK(running.sink.broken() == std::vector<std::string>{});
}

TEST_CASE("capture: two large transactions at once come whole, each in its order") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  Session one = posts.database.session();
  Session two = posts.database.session();
  one.run("begin");
  two.run("begin");
  for (int part = 0; part < 5; ++part) {
    const std::string from = std::to_string(part * 700 + 1);
    const std::string to = std::to_string(part * 700 + 700);
    one.run("insert into posts select g, '1' from generate_series(" + from + ", " + to + ") g");
    two.run("insert into posts select -g, '2' from generate_series(" + from + ", " + to + ") g");
  }
  // Far apart in ids, and with a gap that is larger than any window.
  two.run("select setval('pgtide.change_id', nextval('pgtide.change_id') + 5000000)");
  one.run("insert into posts values (0, 'last')");
  one.run("commit");
  running.wait_for(3501);
  two.run("commit");
  running.wait_for(7001);
  CHECK(running.sink.broken() == std::vector<std::string>{});
  CHECK(running.sink.events()[3500].record_id == "0");
}

TEST_CASE("capture: a row that no frame could show is read without its longest values") {
  Posts posts;
  auto options = Running::options_for(posts.database);
  std::vector<std::size_t> expected;
  SUBCASE("by the shipped limit of an event") {
    expected = {0, 4, 0, 0, 0, 4};
  }
  SUBCASE("by another one") {
    options.event_bytes = 2'600'000;
    expected = {0, 4, 0, 5, 0, 4};
  }
  Running running(options);
  running.wait_until_leading();
  posts.database.run(
      "insert into posts select g, repeat('x', case g when 2 then 4000000 when 4 then 5000000 "
      "when 6 then 4000000 else 10 end) from generate_series(1, 6) g");
  running.wait_for(6);
  std::vector<std::size_t> sizes;
  for (const Event& event : running.sink.events()) {
    sizes.push_back(event.new_row.size() / 1'000'000);
    CHECK(event.reduced == (event.record_id == "4" && expected[3] == 0));
  }
  CHECK(sizes == expected);
  CHECK(running.sink.broken() == std::vector<std::string>{});
}

TEST_CASE("capture: a row that is no UTF-8 is skipped and counted, and the stream goes on") {
  Posts posts("template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'");
  Running running(posts.database);
  running.wait_until_leading();
  posts.database.run("insert into posts values (1, E'caf\\351')");
  posts.database.run("insert into posts values (2, 'tea')");
  running.wait_for(2);
  CHECK(lines_of(running.sink.events()) ==
        std::vector<std::string>{"schema_changed posts  ",
                                 "create posts 2 {\"id\":2,\"title\":\"tea\"}"});
  eventually([&] { return running.source->status().changes_skipped == 1; });
  eventually([&] { return running.source->status().skipped.size() == 1; });
  CHECK(holds(running.source->status().skipped[0], "record '1': it is no JSON object in UTF-8"));
  CHECK(running.source->status().fault.empty());
}

TEST_CASE("capture: a log row written by hand that holds no object is skipped") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  posts.database.run(
      "insert into pgtide.log0 (collection, action, record, record_hash, new_row) "
      "select id, 'c', '1', hashtext('1'), x::json from pgtide.collection, "
      "unnest(array['[1]', '7', 'null']) x");
  posts.database.run("insert into posts values (2, 'tea')");
  running.wait_for(2);
  CHECK(lines_of(running.sink.events()) ==
        std::vector<std::string>{"schema_changed posts  ",  // once
                                 "create posts 2 {\"id\":2,\"title\":\"tea\"}"});
  eventually([&] { return running.source->status().changes_skipped == 3; });
}

TEST_CASE(
    "capture: a log row of an action that nobody knows is skipped, counted, and stops nothing") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  posts.database.run(
      "insert into pgtide.log0 (collection, action, record, record_hash) values (1, 'q', '1', 1), "
      "(1, '', '1', 1), (77, E'\\001', null, 3)");
  posts.database.run("insert into posts values (2, 'next')");
  running.wait_for(2);
  CHECK(created_in(running.sink) == std::vector<std::string>{"2"});
  CHECK(running.source->status().changes_skipped == 3);
}

TEST_CASE("capture: a row that PostgreSQL cannot convert for us is skipped, in any batch") {
  // Two bytes that are well-formed EUC_CN and no character, so that there is no UTF-8 for them.
  Posts posts("template template0 encoding 'EUC_CN' lc_collate 'C' lc_ctype 'C'");
  Running running(posts.database);
  running.wait_until_leading();
  std::string rows;
  SUBCASE("small") {
    rows = "5";
  }
  SUBCASE("large") {
    rows = "2500";
  }
  posts.database.run(
      "insert into posts select g, "
      "case when g = 3 then E'\\242\\241' else 'tea' end "
      "from generate_series(1, " +
      rows + ") g");
  posts.database.run("insert into posts values (0, 'last')");
  running.wait_for(static_cast<std::size_t>(std::stol(rows)) + 1);
  const auto events = lines_of(running.sink.events());
  CHECK(events.size() == static_cast<std::size_t>(std::stol(rows)) + 1);
  CHECK(events.at(2) == "schema_changed posts  ");  // in its place
  CHECK(running.sink.events().back().record_id == "0");
  eventually([&] { return running.source->status().changes_skipped == 1; });
  CHECK(running.source->status().fault.empty());
}

TEST_CASE("capture: rotation goes on after a switch that died before it committed") {
  Posts posts;
  posts.database.run("insert into posts values (1)");
  Session session = posts.database.session();
  session.run("begin; select pgtide.switch_log()");
  session.run("rollback");
  SourceOptions options = Running::options_for(posts.database);
  options.retention = 300ms;
  Running running(options);
  running.wait_until_leading();
  long next = 1;
  eventually([&] {
    posts.database.run("insert into posts values (" + std::to_string(++next) + ")");
    return posts.database.value("select count(*) from pgtide.log where record = '1'") == "0";
  });
  CHECK(running.source->status().fault.empty());
}

TEST_CASE("capture: rotation empties the log and makes nobody wait") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.retention = 300ms;
  Running running(options);
  running.wait_until_leading();
  Session writer = posts.database.session();
  Session reader = posts.database.session();
  long next = 0;
  const auto write = [&] {
    const auto start = std::chrono::steady_clock::now();
    writer.run("insert into posts values (" + std::to_string(++next) + ")");
    return std::chrono::steady_clock::now() - start;
  };
  const auto horizon = [&] {
    return std::atol(posts.database.value("select horizon from pgtide.meta")->c_str());
  };
  eventually(
      [&] {
        write();
        return horizon() > 0;
      },
      20s);

  // Somebody reads the log for long: its table is not emptied under them, and nobody waits.
  reader.run("begin; select count(*) from pgtide.log");
  std::chrono::steady_clock::duration slowest{0};
  const auto end = std::chrono::steady_clock::now() + 1500ms;
  while (std::chrono::steady_clock::now() < end) slowest = std::max(slowest, write());
  CHECK(slowest < 1s);
  reader.run("rollback");
  const long held = horizon();
  eventually(
      [&] {
        write();
        return horizon() > held;
      },
      20s);
  running.wait_for(static_cast<std::size_t>(next));
  std::vector<std::string> ids;
  std::vector<std::string> expected;
  for (const Event& event : running.sink.events()) ids.push_back(event.record_id);
  for (long id = 1; id <= next; ++id) expected.push_back(std::to_string(id));
  CHECK(ids == expected);
  eventually([&] {
    write();
    return std::atol(posts.database.value("select count(*) from pgtide.log")->c_str()) < next / 2;
  });
}

TEST_CASE("capture: a log past its bound is told of, with who keeps it from being emptied") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.log_bytes = 1'048'576;
  Running running(options);
  running.wait_until_leading();
  Session holder = posts.database.session();
  holder.run("begin; insert into posts values (0)");
  const auto fault = [&] { return running.source->status().log_fault; };
  long next = 0;
  const auto write = [&] {
    posts.database.run("insert into posts select g, repeat('t', 1500) from generate_series(" +
                       std::to_string(next + 1) + ", " + std::to_string(next + 50) + ") g");
    next += 50;
  };
  eventually(
      [&] {
        if (next < 3000) write();
        return !fault().empty();
      },
      30s, fault);
  CHECK(fault().find("more than the 1.0 MB of resume.log_bytes") != std::string::npos);
  CHECK(fault().find("SELECT pg_terminate_backend(" + std::to_string(holder.pid()) + ");") !=
        std::string::npos);
  CHECK(running.source->status().fault.empty());  // the stream goes on
  holder.run("rollback");
  eventually(
      [&] {
        posts.database.run("insert into posts values (" + std::to_string(++next) + ")");
        return fault().empty();
      },
      30s, fault);
}

TEST_CASE("capture: a log that is emptied all the time is not told of, however small its bound") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.log_bytes = 100'000;  // which its tables exceed when they are empty
  Running running(options);
  running.wait_until_leading();
  std::string told;
  int next = 0;
  // A log that is not emptied is told of after five seconds.
  const auto end = std::chrono::steady_clock::now() + 8s;
  eventually(
      [&] {
        posts.database.run("insert into posts values (" + std::to_string(++next) + ")");
        told += running.source->status().log_fault;
        return std::chrono::steady_clock::now() > end;
      },
      30s);
  CHECK(told == "");
}

TEST_CASE("capture: a cursor that the log has passed expires") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  Cursor old;
  {
    Running running(options);
    running.wait_until_leading();
    posts.database.run("insert into posts values (1)");
    running.wait_for(1);
    old = running.sink.position();
    posts.database.run("insert into posts values (2)");
    running.wait_for(2);
  }
  posts.database.run("update pgtide.meta set horizon = " + std::to_string(old.tick + 1));
  options.after = old;
  Running running(options);
  running.wait_until_leading();
  REQUIRE(running.sink.begins().size() == 1);
  CHECK(running.sink.begins()[0].why == ResyncReason::cursor_expired);
  posts.database.run("insert into posts values (3)");
  running.wait_for(1);
}

TEST_CASE("capture: in a database that was restored elsewhere the log begins anew") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  {
    Running running(options);
    running.wait_until_leading();
    posts.database.run("insert into posts values (1)");
    running.wait_for(1);
    options.after = running.sink.position();
  }
  posts.database.run("insert into posts values (2)");
  const char* what = "";
  SUBCASE("another cluster") {
    what = "update pgtide.meta set system_identifier = 1";
  }
  SUBCASE("another database") {
    what = "update pgtide.meta set database_oid = 1";
  }
  SUBCASE("younger than its ticks") {
    what = "update pgtide.tick0 set snapshot = '4000000000:4000000000:'";
  }
  posts.database.run(what);
  Running running(options);
  running.wait_until_leading();
  REQUIRE(running.sink.begins().size() == 1);
  CHECK(running.sink.begins()[0].why == ResyncReason::log_lost);
  CHECK(running.sink.begins()[0].position.epoch != options.after->epoch);
  posts.database.run("insert into posts values (3)");
  running.wait_for(1);
  CHECK(lines_of(running.sink.events()) ==
        std::vector<std::string>{"create posts 3 {\"id\":3,\"title\":null}"});
}

TEST_CASE("capture: ticks go on from one tick table to the next") {
  Posts posts;
  posts.database.run("insert into pgtide.tick0 values (" + std::to_string(ticks_per_table - 6) +
                     ", 1, '3:3:')");
  Running running(posts.database);
  running.wait_until_leading();
  for (int i = 1; i <= 12; ++i) {
    posts.database.run("insert into posts values (" + std::to_string(i) + ")");
    running.wait_for(static_cast<std::size_t>(i));
  }
  CHECK(posts.database.value("select min(n) from pgtide.tick1") == std::to_string(ticks_per_table));
  CHECK(running.sink.broken() == std::vector<std::string>{});
  CHECK(running.source->status().fault.empty());
}
