#include "spec/alter_matrix.hpp"

// ALTER TABLE of a watched table: all but its columns. alter_cell.hpp says how a row is read.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::vector<AlterCell> key_cells = {
    {"add a check", "alter table {t} add constraint c check (w < 100000)", "follows"},
    {"add a check that is not valid", "alter table {t} add constraint c check (w < 0) not valid",
     "follows writes 23514"},
    {"validate a check",
     "alter table {t} add constraint c check (w < 100000) not valid; "
     "alter table {t} validate constraint c",
     "follows"},
    {"drop a check",
     "alter table {t} add constraint c check (w < 100000); "
     "alter table {t} drop constraint c",
     "follows"},
    {"add a unique key", "alter table {t} add unique (id, w)", "follows"},
    {"add a foreign key",
     "alter table {t} add foreign key (x) references {n}_other",
     "follows",
     {.before = "create table {n}_other (id int primary key); insert into {n}_other "
                "values (7), (8)"}},
    {"be referenced",
     "create table {n}_kid (up int references {t} on delete cascade)",
     "follows",
     {.but = "pair = refused 42830"}},
    {"add an exclusion",
     "alter table {t} add exclude using btree (id with =)",
     "follows",
     {.but = "parted = refused 0A000", .until = 16}},
    {"add an exclusion, to a partitioned table too",
     "alter table {t} add exclude using btree (id with =)",
     "follows",
     {.since = 17}},
    {"alter a constraint",
     "alter table {t} add constraint f foreign key (x) references {n}_other; alter table {t} alter "
     "constraint f deferrable initially deferred",
     "follows",
     {.before = "create table {n}_other (id int primary key); insert into {n}_other "
                "values (7), (8)"}},
    {"rename the key's constraint", "alter table {t} rename constraint {n}_pk to other_{n}",
     "follows"},
    {"drop the key", "alter table {t} drop constraint {n}_pk", "told: no primary key"},
    {"drop the key and add it",
     "alter table {t} drop constraint {n}_pk; alter table {t} add primary "
     "key (id)",
     "follows",
     {.but = "pair = told: another primary key"}},
    {"drop the key and add another",
     "alter table {t} drop constraint {n}_pk; alter table {t} add "
     "primary key (id, k)",
     "told: another primary key",
     {.but = "pair = follows"}},
    {"drop the key and add one of other columns",
     "alter table {t} add column more int generated always as (id * 2) stored; alter table {t} "
     "drop "
     "constraint {n}_pk; alter table {t} add primary key (more)",
     "told: another primary key",
     {.but = "parted = told, refused 0A000: no primary key"}},
    {"drop the key and add a deferrable one",
     "alter table {t} drop constraint {n}_pk; alter table "
     "{t} add primary key (id) deferrable",
     "told: its primary key is deferrable"},
    {"the key by an index",
     "create unique index {n}_i on {t} (id); alter table {t} drop constraint "
     "{n}_pk, add constraint {n}_pk primary key using index {n}_i",
     "follows",
     {.but = "pair = told: another primary key; parted = refused 0A000"}},
    {"rename the key's index", "alter index public.{n}_pk rename to other_{n}", "follows"},
    {"set an index option",
     "alter index public.{n}_pk set (fillfactor = 60)",
     "follows",
     {.but = "parted = refused 42809"}},
    {"reset an index option",
     "alter index public.{n}_pk reset (fillfactor)",
     "follows",
     {.but = "parted = refused 42809"}},
    {"move an index", "alter index public.{n}_pk set tablespace pg_default", "follows"},
    {"an index depends on an extension", "alter index public.{n}_pk depends on extension plpgsql",
     "follows"},
    {"an index of an expression",
     "create index {n}_i on {t} ((w + 1)); alter index {n}_i alter "
     "column 1 set statistics 100",
     "follows"},
    {"attach an index",
     "create index {n}_i on only {t} (w); create index {n}_j on {n}_high (w); "
     "alter index {n}_i attach partition {n}_j",
     "refused 42P01",
     {.but = "parted = follows"}},
    {"add a constraint that is not null",
     "alter table {t} add constraint c not null v",
     "follows",
     {.since = 18}},
};

const std::vector<AlterCell> trigger_cells = {
    {"disable our trigger", "alter table {t} disable trigger \"!pgtide\"",
     "missed: is not ENABLE ALWAYS"},
    {"disable all triggers", "alter table {t} disable trigger all", "missed: is not ENABLE ALWAYS"},
    {"disable triggers of users", "alter table {t} disable trigger user",
     "missed: is not ENABLE ALWAYS"},
    {"enable our trigger for origins", "alter table {t} enable trigger \"!pgtide\"",
     "told: is not ENABLE ALWAYS"},
    {"enable our trigger for replicas", "alter table {t} enable replica trigger \"!pgtide\"",
     "missed: is not ENABLE ALWAYS"},
    {"enable our trigger always", "alter table {t} enable always trigger \"!pgtide\"", "follows"},
    {"disable and enable our trigger",
     "begin; alter table {t} disable trigger \"!pgtide\"; update "
     "{t} set w = 3; alter table {t} enable always trigger \"!pgtide\"; commit",
     "told"},
    {"drop our trigger", "drop trigger \"!pgtide\" on {t}", "missed: lacks its trigger"},
    {"rename our trigger", "alter trigger \"!pgtide\" on {t} rename to other",
     "told: lacks its trigger"},
    {"our trigger depends on an extension",
     "alter trigger \"!pgtide\" on {t} depends on extension plpgsql", "follows"},
    {"disable our trigger for TRUNCATE", "alter table {t} disable trigger \"!pgtide_truncate\"",
     "told: for TRUNCATE is not ENABLE ALWAYS"},
    {"disable our trigger for TRUNCATE, and TRUNCATE",
     "alter table {t} disable trigger \"!pgtide_truncate\"; truncate {t}",
     "told: for TRUNCATE is not ENABLE ALWAYS"},
    {"drop our trigger for TRUNCATE", "drop trigger \"!pgtide_truncate\" on {t}; truncate {t}",
     "told: lacks its trigger for TRUNCATE"},
    {"add a trigger that alters rows",
     "create trigger zz before insert or update on {t} for each "
     "row execute function {n}_f()",
     "follows",
     {.before = "create function {n}_f() returns trigger language plpgsql as 'begin new.w := 5; "
                "return new; end'"}},
    {"add a trigger that skips rows",
     "create trigger zz before update on {t} for each row execute "
     "function {n}_f()",
     "follows",
     {.before = "create function {n}_f() returns trigger language plpgsql as 'begin return null; "
                "end'"}},
    {"a rule in place of deletes", "create rule r as on delete to {t} do instead nothing",
     "follows"},
    {"disable a rule",
     "create rule r as on delete to {t} do instead nothing; alter table {t} "
     "disable rule r",
     "follows"},
    {"enable a rule always",
     "create rule r as on delete to {t} do instead update {t} set w = 4 "
     "where id = old.id; alter table {t} enable always rule r",
     "follows"},
    {"rename a rule",
     "create rule r as on delete to {t} do instead nothing; alter rule r on {t} "
     "rename to q",
     "follows"},
    {"row-level security", "alter table {t} enable row level security",
     "told: has row-level security"},
    {"row-level security for its owner", "alter table {t} force row level security", "follows"},
    {"row-level security and back",
     "alter table {t} enable row level security; alter table {t} "
     "disable row level security; alter table {t} no force row level security",
     "follows"},
    {"alter a policy",
     "create policy p on {t} using (true); alter policy p on {t} using (false); "
     "alter policy p on {t} rename to q",
     "follows"},
};

const std::vector<AlterCell> place_cells = {
    {"rename the table",
     "alter table {t} rename to other_{n}",
     "closed: the watched table is",
     {.but = "open = closed: the watched table is; bare = closed: the watched table is; "
             "within = closed: the watched table is"}},
    {"move the table to another schema",
     "alter table {t} set schema {s}",
     "closed: the watched table is",
     {.but = "open = closed: the watched table is; bare = closed: the watched table is; "
             "within = closed: the watched table is",
      .before = "create schema {s}"}},
    {"another owner", "alter table {t} owner to {r}", "follows", {.before = "create role {r}"}},
    {"move the table to its tablespace", "alter table {t} set tablespace pg_default", "follows"},
    {"move all tables", "alter table all in tablespace pg_default set tablespace pg_default",
     "follows"},
    {"set logged",
     "alter table {t} set logged",
     "follows",
     {.but = "parted = follows | refused 42809"}},
    {"set unlogged",
     "alter table {t} set unlogged",
     "told: cannot be watched",
     {.but = "parted = follows | refused 42809"}},
    {"set unlogged and logged",
     "alter table {t} set unlogged; alter table {t} set logged",
     "told",
     {.but = "parted = follows | refused 42809"}},
    {"set its access method",
     "alter table {t} set access method heap",
     "follows",
     {.but = "parted = refused 42809 | follows", .since = 15}},
    {"cluster on",
     "alter table {t} cluster on {n}_pk",
     "follows",
     {.but = "parted = refused 0A000"}},
    {"set without cluster",
     "alter table {t} set without cluster",
     "follows",
     {.but = "parted = refused 0A000"}},
    {"set without oids", "alter table {t} set without oids", "follows"},
    {"set an option",
     "alter table {t} set (fillfactor = 60)",
     "follows",
     {.but = "parted = refused 22023 | refused 42809"}},
    {"reset an option", "alter table {t} reset (fillfactor)", "follows"},
    {"replica identity full", "alter table {t} replica identity full", "follows"},
    {"replica identity nothing", "alter table {t} replica identity nothing", "follows"},
    {"replica identity by an index", "alter table {t} replica identity using index {n}_pk",
     "follows"},
    {"inherit",
     "alter table {t} inherit {n}_parent",
     "told: cannot be watched",
     {.but = "parted = refused 42809", .before = "create table {n}_parent (w numeric(10,2))"}},
    {"inherit and not",
     "alter table {t} inherit {n}_parent; alter table {t} no inherit {n}_parent",
     "follows",
     {.but = "parted = refused 42809", .before = "create table {n}_parent (w numeric(10,2))"}},
    {"get a child",
     "create table {n}_child () inherits ({t})",
     "told: cannot be watched",
     {.but = "parted = refused 42809"}},
    {"become a typed table",
     "alter table {t} of {n}_row",
     "follows",
     {.before = "create type {n}_row as (id int, k text, v text, h text, w numeric(10,2), x int)"}},
    {"a typed table's type gets an attribute",
     "alter table {t} of {n}_row; alter type {n}_row add attribute more text cascade",
     "told",
     {.before = "create type {n}_row as (id int, k text, v text, h text, w numeric(10,2), x int)"}},
    {"a typed table's type loses an attribute",
     "alter table {t} of {n}_row; alter type {n}_row drop attribute v cascade",
     "closed: no column 'v'",
     {.before = "create type {n}_row as (id int, k text, v text, h text, w numeric(10,2), x int)"}},
    {"a typed table's type has an attribute renamed",
     "alter table {t} of {n}_row; alter type {n}_row rename attribute v to z cascade",
     "closed: no column 'v'",
     {.before = "create type {n}_row as (id int, k text, v text, h text, w numeric(10,2), x int)"}},
    {"a typed table's type has an attribute retyped",
     "alter table {t} of {n}_row; alter type {n}_row alter attribute x type text cascade",
     "told",
     {.before = "create type {n}_row as (id int, k text, v text, h text, w numeric(10,2), x int)"}},
    {"no longer a typed table",
     "alter table {t} of {n}_row; alter table {t} not of",
     "follows",
     {.before = "create type {n}_row as (id int, k text, v text, h text, w numeric(10,2), x int)"}},
    {"attach a partition",
     "create table {n}_new (like {t} including all); insert into {n}_new (id, k) values (5001, "
     "'k'); "
     "alter table {t} attach partition {n}_new for values from (5000) to (6000)",
     "refused 42P17 | refused 42809",
     {.but = "parted = told"}},
    {"detach a partition",
     "alter table {t} detach partition {n}_low",
     "refused 42P17 | refused 42809",
     {.but = "parted = told"}},
    {"detach a partition of a partition",
     "alter table {n}_low detach partition {n}_least",
     "refused 42P01",
     {.but = "parted = told"}},
    {"detach a partition concurrently",
     "alter table {n}_low detach partition {n}_least concurrently",
     "refused 42P01",
     {.but = "parted = told; within = refused 25001", .since = 14}},
    {"detach a partition, change it, attach it",
     "alter table {t} detach partition {n}_low; update {n}_low set w = 9; alter table {t} attach "
     "partition {n}_low for values from (minvalue) to (300)",
     "refused 42P17 | refused 42809",
     {.but = "parted = told"}},
    {"drop a partition", "drop table {n}_least", "refused 42P01", {.but = "parted = told"}},
    {"truncate a partition", "truncate {n}_least", "refused 42P01", {.but = "parted = told"}},
    {"add a partition",
     "create table {n}_new partition of {n}_low default",
     "refused 42P01",
     {.but = "parted = told"}},
    {"rename a partition",
     "alter table {n}_least rename to other_{n}",
     "refused 42P01",
     {.but = "parted = follows"}},
    {"move a partition",
     "alter table {n}_least set schema {s}",
     "refused 42P01",
     {.but = "parted = follows", .before = "create schema {s}"}},
    {"set a partition unlogged",
     "alter table {n}_least set unlogged",
     "refused 42P01",
     {.but = "parted = told: cannot be watched"}},
    {"disable a partition's trigger",
     "alter table {n}_least disable trigger \"!pgtide\"",
     "refused 42P01",
     {.but = "parted = missed: is not ENABLE ALWAYS"}},
    {"rename a partition's column",
     "alter table {n}_least rename w to z",
     "refused 42P01",
     {.but = "parted = refused 42P16"}},
};

const std::vector<AlterCell> upkeep_cells = {
    {"vacuum full", "vacuum full {t}", "told", {.but = "within = refused 25001"}},
    {"cluster", "cluster {t} using {n}_pk", "told", {.but = "parted = refused 0A000", .until = 14}},
    {"cluster with its partitions", "cluster {t} using {n}_pk", "told", {.since = 15}},
    {"reindex", "reindex table {t}", "follows"},
    {"reindex concurrently",
     "reindex table concurrently {t}",
     "follows",
     {.but = "within = refused 25001"}},
    {"vacuum and analyze",
     "vacuum (analyze, freeze) {t}",
     "follows",
     {.but = "within = refused 25001"}},
    {"truncate", "truncate {t}", "follows"},
    {"truncate and fill", "truncate {t}; insert into {t} (id, k, v) values (5000, 'k', 'open')",
     "follows"},
    {"truncate, cascade", "truncate {t} restart identity cascade", "follows"},
    {"drop the table",
     "drop table {t}",
     "told: is gone",
     {.but = "ruled = closed: is gone; pair = closed: is gone; parted = closed: is gone"}},
    {"drop the table and make it anew",
     "drop table {t}; create table {t} (id int primary key, k text, v text, h text, w "
     "numeric(10,2),"
     " x int)",
     "missed: was dropped and made anew",
     {.but = "ruled = closed: was dropped and made anew; pair = closed: was dropped and made anew; "
             "parted = closed: was dropped and made anew"}},
    {"comment", "comment on table {t} is 'x'; comment on column {t}.v is 'y'", "follows"},
    {"grant",
     "grant select on {t} to {r}; revoke all on {t} from {r}",
     "follows",
     {.before = "create role {r}"}},
};

}  // namespace

TEST_CASE("alter: whatever is done to a table's keys, the stream is right or clients are told") {
  CHECK(try_alterations(key_cells) == 150);
}

TEST_CASE(
    "alter: whatever is done to a table's triggers, the stream is right or clients are told") {
  CHECK(try_alterations(trigger_cells) == 138);
}

TEST_CASE("alter: wherever a table is put, the stream is right or clients are told") {
  CHECK(try_alterations(place_cells) == 234);
}

TEST_CASE("alter: whatever upkeep a table is given, the stream is right or clients are told") {
  CHECK(try_alterations(upkeep_cells) == 78);
}

TEST_CASE("alter: after a crash a table that was altered is right, or clients are told") {
  CHECK(try_alterations(key_cells, after_crash) == 50);
  CHECK(try_alterations(trigger_cells, after_crash) == 46);
  CHECK(try_alterations(place_cells, after_crash) == 78);
  CHECK(try_alterations(upkeep_cells, after_crash) == 26);
}
