#include <doctest/doctest.h>

#include <random>

#include "capture/schema.hpp"
#include "cli/demo.hpp"
#include "cli/demo_city.hpp"
#include "cli/demo_traffic.hpp"
#include "support/database.hpp"
#include "support/eventually.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

const char* const fleet = "select md5(string_agg(v::text, ' ' order by id)) from vehicles v";
const char* const posts = "select md5(string_agg(p::text, ' ' order by id)) from posts p";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("demo: create_tables makes what collections() names, with rows and keys") {
  Database database;
  REQUIRE(DemoWorld::create_tables(database.url()).ok());
  for (const DemoCollection& collection : DemoWorld::collections()) {
    CAPTURE(collection.name);
    CHECK(database.value("select count(*) > 0 from " + collection.table) == "t");
    CHECK(database.value(
              "select string_agg(a.attname, ',' order by a.attnum) from pg_index i "
              "join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey) "
              "where i.indisprimary and i.indrelid = '" +
              collection.table + "'::regclass") == collection.key.front());
  }
}

TEST_CASE("demo: create_tables refuses where a table has its name, and changes nothing") {
  Database database;
  database.run("create table vehicles (mine int)");
  const Result<void> made = DemoWorld::create_tables(database.url());
  REQUIRE(!made.ok());
  CHECK(made.error().kind == ErrorKind::conflict);
  CHECK(database.value("select to_regclass('posts')") == std::nullopt);
  CHECK(DemoWorld::create_tables("host=/nonexistent").error().kind == ErrorKind::unavailable);
}

TEST_CASE("demo: traffic changes rows until it's stopped") {
  Database database;
  REQUIRE(DemoWorld::create_tables(database.url()).ok());
  DemoWorld world(database.url());
  const auto vehicles_before = database.value(fleet);
  const auto posts_before = database.value(posts);
  world.start();
  world.start();
  eventually([&] { return database.value(fleet) != vehicles_before; });
  eventually([&] { return database.value(posts) != posts_before; }, 20s);
  world.stop();
  world.stop();
  eventually_equals(
      [&] {
        return database.value(
            "select count(*) from pg_stat_activity where datname = "
            "current_database() and pid <> pg_backend_pid()");
      },
      std::optional<std::string>("0"));
}

TEST_CASE("demo: traffic goes on after the database was away") {
  PrivatePostgres server = make_cluster();
  REQUIRE(DemoWorld::create_tables(server.url()).ok());
  DemoWorld world(server.url());
  world.start();
  REQUIRE(server.kill().ok());
  REQUIRE(server.start().ok());
  Session session(server.url());
  const auto before = session.value(fleet);
  eventually([&] { return session.value(fleet) != before; }, 20s);
}

TEST_CASE("demo: the tables stay small, however long it runs") {
  Database database;
  REQUIRE(DemoWorld::create_tables(database.url()).ok());
  Session session = database.session();
  std::mt19937 chance(1);
  for (int turn = 0; turn < 3000; ++turn) {
    const Statement statement = make_chatter(chance);
    session.run(statement.sql, statement.parameters);
  }
  CHECK(session.value("select count(*) between 5 and 100 from posts") == "t");
  CHECK(session.value("select count(*) between 1 and 200 from comments") == "t");
}

TEST_CASE("demo: a vehicle stays on its line, and comes by every stop") {
  std::mt19937 chance(1);
  for (const Line& line : town_lines()) {
    CAPTURE(std::string(line.name));
    std::size_t named = 0;
    std::vector<std::string_view> passed;
    for (const Stop& stop : line.stops) named += stop.name.empty() ? 0 : 1;
    for (double way = 0; way < round_length(line); way += 1) {
      const Place place = place_on(line, way);
      REQUIRE((place.x >= 0 && place.x <= map_width && place.y >= 0 && place.y <= map_height));
      REQUIRE(place.to_next_stop >= 0);
      if (std::find(passed.begin(), passed.end(), place.next_stop) == passed.end())
        passed.push_back(place.next_stop);
    }
    CHECK(passed.size() == named);
    CHECK(place_on(line, 12).x == doctest::Approx(place_on(line, 12 + round_length(line)).x));
  }
}

TEST_CASE("demo: a vehicle halts at a stop, where passengers change, and goes on") {
  std::mt19937 chance(1);
  Vehicle vehicle = make_fleet(chance).front();
  const int before = vehicle.passengers;
  while (vehicle.dwell == 0) REQUIRE(advance(vehicle, 0.5, chance));
  CHECK(vehicle.passengers != before);
  const double place = vehicle.travelled;
  CHECK(!advance(vehicle, 0.5, chance));
  CHECK(vehicle.travelled == place);
  for (int turn = 0; turn < 4; ++turn) advance(vehicle, 0.5, chance);
  CHECK(vehicle.travelled > place);
}

TEST_CASE("demo: what is watched is read from the database, or the commands are named") {
  Database database;
  for (const bool installed : {false, true}) {
    CAPTURE(installed);
    if (installed) REQUIRE(install(database.url()).ok());
    const auto nothing = watched_collections(database.url());
    REQUIRE(!nothing.ok());
    CHECK(nothing.error().kind == ErrorKind::not_found);
    CHECK(contains(nothing.error().message, "pgtide install"));
    CHECK(contains(nothing.error().message, "pgtide watch"));
  }
  database.run("create schema shop; create table shop.part (b text, a int, primary key (a, b))");
  WatchOptions options;
  options.table = "shop.part";
  options.collection = "parts";
  REQUIRE(watch(database.url(), options).ok());
  const auto watched = watched_collections(database.url());
  REQUIRE(watched.ok());
  CHECK(*watched == std::vector<DemoCollection>{{"parts", {"a", "b"}, "shop.part"}});
}

TEST_CASE("demo page: nothing in the scene can leave its JSON, and no other host is named") {
  DemoScene scene;
  scene.collections = {{"odd", {"</script><script>alert(1)</script>", "<!--", "\xff"}, ""}};
  const std::string page = demo_page(scene);
  CHECK(!contains(page, "<script>alert(1)"));
  CHECK(!contains(page, "@scene@"));
  CHECK(contains(page, "\\u003c/script>"));
  for (const char* outside : {"https://", "src=\"http", "url(", "@import", "//cdn"})
    CHECK_MESSAGE(!contains(page, outside), outside);
}
