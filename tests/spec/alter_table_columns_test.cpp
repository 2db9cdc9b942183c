#include "spec/alter_matrix.hpp"

// ALTER TABLE of a watched table: its columns. alter_cell.hpp says how a row is read.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const std::vector<AlterCell> column_cells = {
    {"add a column", "alter table {t} add column more text", "told"},
    {"add a column with a default", "alter table {t} add column more text default 'x'", "told"},
    {"add a column with a changing default",
     "alter table {t} add column more timestamptz default clock_timestamp()", "told"},
    {"add a serial", "alter table {t} add column more serial", "told"},
    {"add an identity",
     "alter table {t} add column more int generated always as identity",
     "told",
     {.but = "parted = refused 42P16"}},
    {"add a generated column",
     "alter table {t} add column more text generated always as (v || h) stored", "told"},
    {"add a virtual column",
     "alter table {t} add column more text generated always as (v || h) virtual",
     "told",
     {.since = 18}},
    {"add a column that is there", "alter table {t} add column v text", "refused 42701"},
    {"add a column if it is not there", "alter table {t} add column if not exists v text",
     "follows"},
    {"drop a column", "alter table {t} drop column w", "told"},
    {"drop a column of a type", "alter table {t} drop column x cascade", "told"},
    {"drop a column that rules name", "alter table {t} drop column v", "closed: no column 'v'"},
    {"drop a column that rules hide", "alter table {t} drop column h", "closed: no column h"},
    {"drop a column of the key",
     "alter table {t} drop column id",
     "told: no primary key",
     {.but = "parted = refused 42P16"}},
    {"drop a column if it is there", "alter table {t} drop column if exists none", "follows"},
    {"drop and add a column", "alter table {t} drop column w, add column w text", "told"},
    {"drop and add a column that rules name",
     "alter table {t} drop column v, add column v text default 'secret'", "told"},
    {"rename a column", "alter table {t} rename column w to weight", "told"},
    {"rename a column that rules name", "alter table {t} rename column v to value",
     "closed: no column 'v'"},
    {"rename a column that rules hide", "alter table {t} rename column h to shown",
     "closed: no column h"},
    {"rename a column of the key", "alter table {t} rename id to number", "told"},
    {"exchange the names of columns that rules name",
     "begin; alter table {t} rename v to z; alter table {t} rename h to v; alter table {t} rename "
     "z "
     "to h; commit",
     "closed: when the rules were loaded"},
    {"exchange the names of columns",
     "begin; alter table {t} rename w to z; alter table {t} rename k to w; alter table {t} rename "
     "z "
     "to k; commit",
     "closed: when the rules were loaded"},
    {"exchange the key's name",
     "begin; alter table {t} rename id to z; alter table {t} rename x to id; alter table {t} "
     "rename "
     "z to x; commit",
     "closed: when the rules were loaded"},
    {"a longer numeric", "alter table {t} alter w type numeric(14,2)", "follows"},
    {"another scale", "alter table {t} alter w type numeric(10,4)", "told"},
    {"int to bigint", "alter table {t} alter x type bigint", "told"},
    {"int to text", "alter table {t} alter x type text", "told"},
    {"int to a type of another meaning",
     "alter table {t} alter x type date using date '2026-01-01' + x", "told"},
    {"int to jsonb", "alter table {t} alter x type jsonb using to_jsonb(x)", "told"},
    {"int to an array", "alter table {t} alter x type int[] using array[x]", "told"},
    {"varchar to text", "alter table {t} alter x type text", "told", {.x = "varchar(20)"}},
    {"text to varchar", "alter table {t} alter x type varchar(20)", "told", {.x = "text"}},
    {"timestamp to timestamptz",
     "alter table {t} alter x type timestamptz",
     "told",
     {.x = "timestamp"}},
    {"the same type", "alter table {t} alter x type int", "follows"},
    {"the same type by an expression", "alter table {t} alter x type int using x + 1", "told"},
    {"a column that rules name to varchar", "alter table {t} alter v type varchar(20)", "told"},
    {"a column that rules name to an array", "alter table {t} alter v type text[] using array[v]",
     "closed: where"},
    {"a column that rules name to int", "alter table {t} alter v type int using length(v)",
     "closed: where"},
    {"a column that rules hide to int", "alter table {t} alter h type int using length(h)", "told"},
    {"the key to bigint",
     "alter table {t} alter id type bigint",
     "told",
     {.but = "parted = refused 42P16"}},
    {"the key to text",
     "alter table {t} alter id type text using id::text",
     "told",
     {.but = "parted = refused 42P16"}},
    {"the key to numeric",
     "alter table {t} alter id type numeric",
     "told",
     {.but = "parted = refused 42P16"}},
    {"the key's second column to varchar", "alter table {t} alter k type varchar(20)", "told"},
    {"another collation", "alter table {t} alter v type text collate \"C\"", "follows"},
    {"two types at once", "alter table {t} alter w type text, alter x type text", "told"},
    {"types in one transaction with a rename",
     "begin; alter table {t} alter w type text; alter table {t} rename w to z; commit", "told"},
    {"set a default", "alter table {t} alter w set default 5", "follows"},
    {"drop a default", "alter table {t} alter w drop default", "follows"},
    {"set not null", "alter table {t} alter v set not null", "follows"},
    {"drop not null",
     "alter table {t} alter k drop not null",
     "follows",
     {.but = "pair = refused 42P16"}},
    {"drop not null of the key", "alter table {t} alter id drop not null", "refused 42P16"},
    {"drop an expression",
     "alter table {t} add more text generated always as (v || h) stored; "
     "alter table {t} alter more drop expression",
     "told",
     {.but = "parted = told, refused 0A000", .until = 17}},
    {"set an expression",
     "alter table {t} alter x set expression as (1)",
     "refused 42P17",
     {.since = 17}},
    {"set statistics", "alter table {t} alter w set statistics 500", "follows"},
    {"set an attribute option", "alter table {t} alter w set (n_distinct = 5)", "follows"},
    {"reset an attribute option", "alter table {t} alter w reset (n_distinct)", "follows"},
    {"set storage", "alter table {t} alter v set storage external", "follows"},
    {"set compression", "alter table {t} alter v set compression pglz", "follows", {.since = 14}},
    {"add an identity to a column",
     "update {t} set x = 1; alter table {t} alter x set not null; "
     "alter table {t} alter x add generated by default as identity",
     "follows"},
    {"the key becomes an identity",
     "alter table {t} alter id add generated always as identity (start 10000)",
     "follows writes 428C9"},
    {"set an identity", "alter table {t} alter x set generated always", "refused 55000"},
    {"drop an identity", "alter table {t} alter x drop identity if exists", "follows"},
};

}  // namespace

TEST_CASE("alter: whatever is done to a table's columns, the stream is right or clients are told") {
  CHECK(try_alterations(column_cells) == 378);
}

TEST_CASE("alter: after a crash columns that were altered are right, or clients are told") {
  CHECK(try_alterations(column_cells, after_crash) == 126);
}
