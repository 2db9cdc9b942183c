#include <doctest/doctest.h>

#include "integration/capture_recorder.hpp"

// How often the leader looks, and what it leaves undone meanwhile.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

TEST_CASE("capture: whoever asks for looks, the pause after one is many times as long as it was") {
  Role stranger;
  InstalledDatabase database;
  database.run("create table posts (id bigint primary key)");
  watch_in(database, "posts");
  database.run("create table looks (began timestamptz, ended timestamptz); "
               "create or replace function pgtide.stray_triggers() returns table "
               "(relation regclass, trigger name, serves boolean) language plpgsql as $$ "
               "declare began timestamptz := clock_timestamp(); begin perform pg_sleep(0.4); "
               "insert into public.looks values (began, clock_timestamp()); end $$");
  Running leader(database);
  leader.wait_until_leading();
  Session notifier = database.session(stranger.name());
  eventually([&] {
    notifier.run("notify pgtide_catalog");
    return database.value("select count(*) >= 2 from looks") == "t";
  }, 60s);
  CHECK(database.value("select min(pause / took) > 5 from (select extract(epoch from lead(began) "
                       "over w - ended) as pause, extract(epoch from ended - began) as took "
                       "from looks window w as (order by began)) l") == "t");
}
