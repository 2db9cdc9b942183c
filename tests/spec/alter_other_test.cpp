#include "spec/alter_matrix.hpp"

// ALTER of what is around a watched table. alter_cell.hpp says how a row is read.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const MatrixSetup around_setup{
    .kinds = {TableKind::ruled, TableKind::open, TableKind::parted, TableKind::within}};

const char* const moved = "open = closed: the watched table is";

const std::vector<AlterCell> schema_cells = {
    {"rename the schema",
     "alter schema public rename to {s}",
     "closed: the watched table is",
     {.but = moved, .alone = true}},
    {"rename the schema and back",
     "alter schema public rename to {s}; alter schema {s} rename to public",
     "follows",
     {.alone = true}},
    {"rename the schema and make it anew",
     "alter schema public rename to {s}; create schema public",
     "closed: the watched table is",
     {.but = moved, .alone = true}},
    {"give the schema away",
     "create role {r}; alter schema public owner to {r}",
     "follows",
     {.alone = true}},
    {"rename another schema",
     "alter schema {s} rename to new_{s}",
     "follows",
     {.before = "create schema {s}; create type {s}.mood as enum ('a')", .x = "{s}.mood"}},
    {"drop the schema of a type",
     "drop schema {s} cascade",
     "told",
     {.before = "create schema {s}; create type {s}.mood as enum ('a')", .x = "{s}.mood"}},
    {"nobody may use the schema", "revoke all on schema public from public", "follows"},
};

const std::vector<AlterCell> sequence_cells = {
    {"restart a sequence",
     "alter sequence {n}_s restart with 50",
     "follows",
     {.before = "create sequence {n}_s", .x = "int default nextval('{n}_s')"}},
    {"a sequence counts otherwise",
     "alter sequence {n}_s increment by 5 minvalue 1 maxvalue 1000000 cache 20 cycle",
     "follows",
     {.before = "create sequence {n}_s", .x = "int default nextval('{n}_s')"}},
    {"a sequence of another type",
     "alter sequence {n}_s as smallint",
     "follows",
     {.before = "create sequence {n}_s", .x = "int default nextval('{n}_s')"}},
    {"a sequence is owned",
     "alter sequence {n}_s owned by {t}.x",
     "follows",
     {.before = "create sequence {n}_s", .x = "int default nextval('{n}_s')"}},
    {"a sequence is owned no more",
     "alter sequence {n}_x_seq owned by none",
     "follows",
     {.x = "serial"}},
    {"rename a sequence", "alter sequence {n}_x_seq rename to {n}_y", "follows", {.x = "serial"}},
    {"move a sequence",
     "create schema {s}; alter sequence {n}_s set schema {s}",
     "follows",
     {.before = "create sequence {n}_s", .x = "int default nextval('{n}_s')"}},
    {"a sequence is unlogged",
     "alter sequence {n}_x_seq set unlogged",
     "follows",
     {.x = "serial", .since = 15}},
    {"drop a sequence",
     "drop sequence {n}_s cascade",
     "follows",
     {.before = "create sequence {n}_s", .x = "int default nextval('{n}_s')"}},
};

const std::vector<AlterCell> role_cells = {
    {"rename the owner",
     "alter role {r} rename to new_{r}",
     "follows",
     {.before = "create role {r}; create type {n}_mood as enum ('a'); alter type {n}_mood owner to "
                "{r}",
      .x = "{n}_mood"}},
    {"a type's owner becomes a superuser",
     "alter role {r} superuser",
     "told",
     {.before = "create role {r}; create type {n}_mood as enum ('a'); alter type {n}_mood owner to "
                "{r}",
      .x = "{n}_mood"}},
    {"a type's owner is a superuser no more",
     "alter role {r} nosuperuser",
     "told",
     {.before =
          "create role {r} superuser; create type {n}_mood as enum ('a'); alter type {n}_mood "
          "owner to {r}",
      .x = "{n}_mood"}},
    {"what a role owns is reassigned",
     "reassign owned by {r} to postgres",
     "told",
     {.before = "create role {r}; create type {n}_mood as enum ('a'); alter type {n}_mood owner to "
                "{r}",
      .x = "{n}_mood"}},
    {"what a role owns is dropped",
     "drop owned by {r} cascade",
     "told",
     {.before = "create role {r}; create type {n}_mood as enum ('a'); alter type {n}_mood owner to "
                "{r}",
      .x = "{n}_mood"}},
    {"a role's settings",
     "alter role postgres in database {d} set timezone = 'Asia/Tokyo'; alter "
     "role postgres in database {d} set datestyle = 'SQL, DMY'; alter role postgres in database "
     "{d} "
     "set search_path = ''",
     "follows",
     {.alone = true}},
    {"rights on the table",
     "create role {r}; grant all on {t} to {r}; revoke insert on {t} from "
     "{r}",
     "follows"},
    {"default privileges",
     "create role {r}; alter default privileges grant all on tables to {r}; "
     "alter default privileges grant execute on functions to {r}",
     "follows",
     {.alone = true}},
    {"a group", "create role {r}; create group of_{r}; alter group of_{r} add user {r}", "follows"},
};

const std::vector<AlterCell> publication_cells = {
    {"a publication", "create publication {n}_p for table {t}", "follows"},
    {"add to a publication", "create publication {n}_p; alter publication {n}_p add table {t}",
     "follows"},
    {"a publication's tables", "create publication {n}_p; alter publication {n}_p set table {t}",
     "follows"},
    {"take from a publication",
     "create publication {n}_p for table {t}; alter publication {n}_p "
     "drop table {t}",
     "follows"},
    {"what a publication publishes",
     "create publication {n}_p for table {t}; alter publication "
     "{n}_p set (publish = 'insert'); alter publication {n}_p owner to postgres; alter publication "
     "{n}_p rename to {n}_q",
     "follows"},
    {"a publication of some rows and columns",
     "create publication {n}_p for table {t} (id, w) where (id > 5)",
     "follows",
     {.but = "parted = refused 22023", .since = 15}},
    {"a publication by roots",
     "create publication {n}_p for table {t} with "
     "(publish_via_partition_root = true)",
     "follows"},
    {"a publication of all tables",
     "create publication {n}_p for all tables",
     "follows",
     {.alone = true}},
    {"a publication of the schema",
     "create publication {n}_p for tables in schema public",
     "follows",
     {.since = 15, .alone = true}},
    {"a subscription",
     "create subscription {n}_s connection 'dbname=none' publication p with "
     "(connect = false); alter subscription {n}_s set (slot_name = none)",
     "follows"},
};

const std::vector<AlterCell> database_cells = {
    {"rename the database",
     "alter database {d} rename to other_{d}",
     "refused 0A000",
     {.alone = true}},
    {"give the database away",
     "create role {r}; alter database {d} owner to {r}",
     "follows",
     {.alone = true}},
    {"a database's settings",
     "alter database {d} set timezone = 'Asia/Tokyo'; alter database {d} "
     "set intervalstyle = 'sql_standard'; alter database {d} set search_path = ''; alter database "
     "{d} set default_transaction_isolation = 'serializable'",
     "follows",
     {.alone = true}},
    {"a database's connections",
     "alter database {d} with connection limit 50",
     "follows",
     {.alone = true}},
    {"a database is a template",
     "alter database {d} is_template true; alter database {d} "
     "is_template false",
     "follows",
     {.alone = true}},
    {"a database's collation",
     "alter database {d} refresh collation version",
     "follows",
     {.since = 15, .alone = true}},
    {"an extension has the table", "alter extension plpgsql add table {t}", "follows"},
    {"an extension had the table",
     "alter extension plpgsql add table {t}; alter extension plpgsql drop table {t}", "follows"},
    {"an extension is updated", "alter extension plpgsql update", "follows", {.alone = true}},
    {"the language is given away",
     "create role {r}; alter language plpgsql owner to {r}",
     "follows",
     {.alone = true}},
    {"a function of a default",
     "alter function {n}_f(int) rename to {n}_g; alter function "
     "{n}_g(int) immutable parallel safe cost 5; alter function {n}_g(int) set search_path = ''; "
     "alter routine {n}_g(int) reset all; alter function {n}_g(int) owner to postgres",
     "follows",
     {.before = "create function {n}_f(int) returns int immutable language sql as 'select $1'",
      .x = "int check (x is null or {n}_f(x) > 0)"}},
    {"a view of the table",
     "create view {n}_v as select * from {t}; alter view {n}_v rename "
     "column w to z; alter view {n}_v set (security_barrier = true); alter view {n}_v rename to "
     "{n}_w",
     "follows"},
    {"a materialized view of the table",
     "create materialized view {n}_v as select * from {t}; "
     "alter materialized view {n}_v rename to {n}_w; refresh materialized view {n}_w",
     "follows"},
    {"statistics of the table",
     "create statistics {n}_st on k, v from {t}; alter statistics "
     "{n}_st set statistics 50; alter statistics {n}_st rename to {n}_su; analyze {t}",
     "follows"},
    {"an event trigger",
     "create function {n}_f() returns event_trigger language plpgsql as 'begin "
     "end'; create event trigger {n}_e on ddl_command_end execute function {n}_f(); alter event "
     "trigger {n}_e disable; alter event trigger {n}_e enable always; alter table {t} add column "
     "more int",
     "told"},
    {"an operator's class",
     "create operator family {n}_of using btree; alter operator family "
     "{n}_of using btree rename to {n}_og; drop operator family {n}_og using btree",
     "follows"},
    {"a table that refers to it is truncated",
     "create table {n}_kid (up int references {t}); "
     "truncate {t}, {n}_kid",
     "follows"},
    {"a cast of the key's type",
     "create function {n}_f(int) returns json language sql as 'select "
     "''1''::json'; create cast (int as json) with function {n}_f(int)",
     "follows",
     {.alone = true}},
    {"large objects", "select lo_create(0)", "follows"},
};

}  // namespace

TEST_CASE("alter: whatever is done to a schema, the stream is right or clients are told") {
  CHECK(try_alterations(schema_cells, around_setup) == 24);
}

TEST_CASE("alter: whatever is done to a sequence, the stream is right or clients are told") {
  CHECK(try_alterations(sequence_cells, around_setup) == 36);
}

TEST_CASE("alter: whatever is done to a role, the stream is right or clients are told") {
  CHECK(try_alterations(role_cells, around_setup) == 34);
}

TEST_CASE("alter: whatever is published, the stream is right or clients are told") {
  CHECK(try_alterations(publication_cells, around_setup) == 38);
}

TEST_CASE("alter: whatever is done around a table, the stream is right or clients are told") {
  CHECK(try_alterations(database_cells, around_setup) == 67);
}

TEST_CASE("alter: after a crash what is around a table is as it was altered, or clients are told") {
  CHECK(try_alterations(schema_cells, after_crash) == 14);
  CHECK(try_alterations(sequence_cells, after_crash) == 18);
  CHECK(try_alterations(role_cells, after_crash) == 18);
  CHECK(try_alterations(publication_cells, after_crash) == 20);
  CHECK(try_alterations(database_cells, after_crash) == 38);
}
