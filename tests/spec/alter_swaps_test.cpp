#include "spec/alter_matrix.hpp"

// What tools do with a table: swaps by rename, and those of pg_repack, gh-ost and pgroll.
// alter_cell.hpp says how a row is read. Where another table has the name, that is the one that is
// changed, and that clients read.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const MatrixSetup swap_setup{
    .kinds = {TableKind::ruled, TableKind::open, TableKind::pair, TableKind::bare}};

const char* const swapped = "missed: was dropped and made anew, restored or swapped";
const char* const closed_when_dropped =
    "ruled = closed: was dropped and made anew, restored or swapped; "
    "pair = closed: was dropped and made anew, restored or swapped";
const char* const copy_made =
    "create table {n}_new (like {t} including all); insert into {n}_new select * from {t}";

const std::vector<AlterCell> swap_cells = {
    {"swapped by rename",
     "begin; alter table {t} rename to {n}_old; alter table {n}_new rename to {n}; commit",
     swapped,
     {.after = copy_made}},
    {"swapped, and the old one dropped",
     "begin; alter table {t} rename to {n}_old; alter table {n}_new rename to {n}; commit; "
     "drop table {n}_old",
     swapped,
     {.but = closed_when_dropped, .after = copy_made}},
    {"swapped and watched again",
     "begin; alter table {t} rename to {n}_old; alter table {n}_new rename to {n}; commit; "
     "select pgtide.watch('{n}')",
     "told",
     {.after = copy_made}},
    {"swapped and swapped back",
     "begin; alter table {t} rename to {n}_old; alter table {n}_new rename to {n}; commit; "
     "begin; alter table {n} rename to {n}_new; alter table {n}_old rename to {n}; commit",
     "follows",
     {.after = copy_made}},
    {"moved away, another one in its place",
     "begin; create schema {s}; alter table {t} set schema {s}; "
     "alter table {n}_new rename to {n}; commit",
     swapped,
     {.after = copy_made}},
    // Triggers keep the shadow table up to date until both are renamed.
    {"as gh-ost does",
     "insert into {n}_gho select id, k, v, h, w, x from {t} on conflict do nothing; begin; "
     "lock table {t}; alter table {t} rename to {n}_del; alter table {n}_gho rename to {n}; "
     "commit; drop table {n}_del",
     swapped,
     {.but = closed_when_dropped,
      .after = "create table {n}_gho (like {t} including all); "
               "alter table {n}_gho add column more text; "
               "create function {n}_f() returns trigger language plpgsql as "
               "'begin if tg_op <> ''INSERT'' then delete from {n}_gho where id = old.id; end if; "
               "if tg_op <> ''DELETE'' then insert into {n}_gho select new.id, new.k, new.v, "
               "new.h, new.w, new.x; end if; return null; end'; "
               "create trigger gho after insert or update or delete on {t} for each row execute "
               "function {n}_f()"}},
    // A new column beside the old one, filled by a trigger, and a view for each version.
    {"as pgroll does",
     "alter table {t} add column _pgroll_new_w text; update {t} set _pgroll_new_w = w::text; "
     "create schema {s}; create view {s}.{n} as select id, k, v, h, _pgroll_new_w as w from {t}; "
     "alter table {t} drop column w; alter table {t} rename column _pgroll_new_w to w",
     "told",
     {.before = "create function {n}_f() returns trigger language plpgsql as 'begin return new; "
                "end'",
      .after = "create trigger pgroll before insert or update on {t} for each row execute function "
               "{n}_f()"}},
    // The table keeps its number, and gets the files of a copy; so does its index.
    {"as pg_repack does",
     "create trigger repack_trigger after insert or delete or update on {t} for each row execute "
     "function {n}_f(); alter table {t} enable always trigger repack_trigger; "
     "truncate {n}_new; insert into {n}_new select * from {t}; "
     "begin; lock table {t} in access exclusive mode; set local allow_system_table_mods = on; "
     "update pg_class c set relfilenode = o.relfilenode from pg_class o where "
     "(c.relname, o.relname) in (('{n}', '{n}_new'), ('{n}_new', '{n}'), ('{n}_pk', "
     "'{n}_new_pkey'), ('{n}_new_pkey', '{n}_pk')); commit; drop table {n}_new; "
     "drop trigger repack_trigger on {t}",
     "told",
     {.before = "create function {n}_f() returns trigger language plpgsql as 'begin return null; "
                "end'",
      .after = copy_made}},
    {"copied back under its own name",
     "create table {n}_keep as select * from {t}; truncate {t}; "
     "insert into {t} select * from {n}_keep; drop table {n}_keep",
     "follows"},
    {"made a partition of a new one of its name",
     "begin; alter table {t} rename to {n}_0; create table {n} (like {n}_0 including defaults) "
     "partition by range (id); alter table {n} attach partition {n}_0 default; commit",
     "told: was dropped and made anew, restored or swapped"},
};

}  // namespace

TEST_CASE("swaps: whatever tool changes a table, the stream is right or clients are told") {
  CHECK(try_alterations(swap_cells, swap_setup) == 40);
}

TEST_CASE("swaps: after a crash a table that a tool has changed is right, or clients are told") {
  CHECK(try_alterations(swap_cells, {.kinds = {TableKind::open}, .crash = true}) == 10);
}
