// Columns that a trigger does not see as a reader does, and keys that are not what they seem:
// servers of 18 have both.
#include <doctest/doctest.h>

#include <atomic>

#include "capture/catalog_loader.hpp"
#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::string columns_loaded(const Database& database) {
  std::atomic<std::uint64_t> queries{0};
  DatabaseSession connection(database.url(), queries);
  CatalogLoader loader;
  const auto catalog = loader.load(connection, {});
  std::string text;
  for (const Collection& one : catalog->collections())
    for (const std::string& column : one.columns) text += column + '\n';
  return text;
}

}  // namespace

TEST_CASE("columns: a generated one that is stored is captured, a virtual one is nowhere told") {
  InstalledDatabase database;
  const bool has_virtual = database.session().server_version() >= 180000;
  std::string kinds = "a text, b text generated always as (upper(a)) stored";
  if (has_virtual) kinds += ", c text generated always as (lower(a)) virtual";
  database.run("create table v (id int primary key, " + kinds + ")");
  REQUIRE(watch(database.url(), {.table = "v"}).ok());
  CHECK(columns_loaded(database) == "id\na\nb\n");
  CHECK(database.value("select columns from pgtide.collection") == "{id,a,b}");
  database.run("insert into v values (1, 'Xy'); update v set a = 'Yz'; delete from v");
  const char* const rows = "select string_agg(concat(action, ' ', old_row, ' ', new_row), '; ' "
                           "order by id) from pgtide.log where action <> 's'";
  CHECK(database.value(rows) ==
        R"(c  {"id":1,"a":"Xy","b":"XY"}; u {"id":1,"a":"Xy","b":"XY"} )"
        R"({"id":1,"a":"Yz","b":"YZ"}; d {"id":1,"a":"Yz","b":"YZ"} )");
  if (!has_virtual) return;
  // One that comes later, before a look and after it.
  database.run("truncate pgtide.log0; "
               "alter table v add d int generated always as (id + 1) virtual; "
               "insert into v values (2, 'Xy')");
  CHECK(columns_loaded(database) == "id\na\nb\n");
  CHECK(database.run("select wrong from pgtide.look()").empty());
  database.run("update v set a = 'Zz'");
  CHECK(database.value(rows) == R"(c  {"id":2,"a":"Xy","b":"XY"}; )"
                                R"(u {"id":2,"a":"Xy","b":"XY"} {"id":2,"a":"Zz","b":"ZZ"})");
}

TEST_CASE("watch: a key column whose NOT NULL is not validated is refused, and found later") {
  InstalledDatabase database;
  if (database.session().server_version() < 180000) {
    database.run("create table k (id int not null unique)");
    CHECK(watch(database.url(), {.table = "k", .key = {"id"}}).ok());
    return;
  }
  database.run("create table k (id int unique); insert into k values (null); "
               "alter table k add constraint filled not null id not valid");
  const auto refused = watch(database.url(), {.table = "k", .key = {"id"}});
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(refused.error().message.find("VALIDATE CONSTRAINT") != std::string::npos,
                refused.error().message);
  database.run("delete from k; alter table k validate constraint filled");
  CHECK(watch(database.url(), {.table = "k", .key = {"id"}}).ok());
  CHECK(database.run("select wrong from pgtide.look()").empty());
}
