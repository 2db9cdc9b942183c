#include "spec/alter_matrix.hpp"

// ALTER of the types of a watched table's columns. alter_cell.hpp says how a row is read.
using namespace pgtide;
using namespace pgtide::test;

namespace {

const MatrixSetup types_setup{.kinds = {TableKind::ruled, TableKind::open, TableKind::parted,
                                        TableKind::bare, TableKind::within}};

const char* const mood = "create type {n}_mood as enum ('a', 'b')";
const char* const strange_mood =
    "create role {r}; create type {n}_mood as enum ('a', 'b'); alter type {n}_mood owner to {r}";
const char* const pair_type = "create type {n}_pair as (a int, b text)";
const char* const strange_pair =
    "create role {r}; create type {n}_pair as (a int, b text); alter type {n}_pair owner to {r}";
const char* const code_domain = "create domain {n}_code as text";
const char* const strange_code =
    "create role {r}; create domain {n}_code as text; alter domain {n}_code owner to {r}";

const std::vector<AlterCell> enum_cells = {
    {"add a label",
     "alter type {n}_mood add value 'c'",
     "follows",
     {.before = mood, .x = "{n}_mood"}},
    {"add a label before another",
     "alter type {n}_mood add value 'c' before 'a'",
     "follows",
     {.but = "within = follows writes 55P04", .before = mood, .x = "{n}_mood"}},
    {"add a label that is there",
     "alter type {n}_mood add value if not exists 'a'",
     "follows",
     {.before = mood, .x = "{n}_mood"}},
    {"rename a label",
     "alter type {n}_mood rename value 'a' to 'z'",
     "told",
     {.before = mood, .x = "{n}_mood"}},
    {"rename a label in an array",
     "alter type {n}_mood rename value 'a' to 'z'",
     "told",
     {.before = mood, .x = "{n}_mood[]"}},
    {"rename a label in a domain",
     "alter type {n}_mood rename value 'a' to 'z'",
     "told",
     {.before = "create type {n}_mood as enum ('a', 'b'); create domain {n}_code as {n}_mood",
      .x = "{n}_code"}},
    {"rename a label in a composite",
     "alter type {n}_mood rename value 'a' to 'z'",
     "told",
     {.before = "create type {n}_mood as enum ('a', 'b'); create type {n}_pair as (m {n}_mood)",
      .x = "{n}_pair"}},
    {"rename a label in a range",
     "alter type {n}_mood rename value 'a' to 'z'",
     "told",
     {.before = "create type {n}_mood as enum ('a', 'b'); create type {n}_range as range "
                "(subtype = {n}_mood)",
      .x = "{n}_range"}},
    {"exchange two labels",
     "alter type {n}_mood rename value 'a' to 'z'; alter type {n}_mood "
     "rename value 'b' to 'a'; alter type {n}_mood rename value 'z' to 'b'",
     "told",
     {.before = mood, .x = "{n}_mood"}},
    {"rename a label of a strange enum",
     "alter type {n}_mood rename value 'a' to 'z'",
     "told",
     {.before = strange_mood, .x = "{n}_mood"}},
    {"rename an enum",
     "alter type {n}_mood rename to {n}_moods",
     "follows",
     {.before = mood, .x = "{n}_mood"}},
    {"move an enum",
     "create schema {s}; alter type {n}_mood set schema {s}",
     "follows",
     {.before = mood, .x = "{n}_mood"}},
    {"give an enum away",
     "create role {r}; alter type {n}_mood owner to {r}",
     "told",
     {.before = mood, .x = "{n}_mood"}},
    {"take a strange enum",
     "alter type {n}_mood owner to postgres",
     "told",
     {.before = strange_mood, .x = "{n}_mood"}},
    {"drop an enum", "drop type {n}_mood cascade", "told", {.before = mood, .x = "{n}_mood"}},
    {"another enum",
     "create type {n}_other as enum ('b', 'a'); alter table {t} alter x type "
     "{n}_other using x::text::{n}_other",
     "told",
     {.before = mood, .x = "{n}_mood"}},
};

const std::vector<AlterCell> composite_cells = {
    {"add an attribute",
     "alter type {n}_pair add attribute c int",
     "told",
     {.before = pair_type, .x = "{n}_pair"}},
    {"drop an attribute",
     "alter type {n}_pair drop attribute a",
     "told",
     {.before = pair_type, .x = "{n}_pair"}},
    {"rename an attribute",
     "alter type {n}_pair rename attribute a to z",
     "told",
     {.before = pair_type, .x = "{n}_pair"}},
    {"exchange two attributes",
     "alter type {n}_pair rename attribute a to z; alter type {n}_pair "
     "rename attribute b to a; alter type {n}_pair rename attribute z to b",
     "told",
     {.before = pair_type, .x = "{n}_pair"}},
    {"retype an attribute",
     "alter type {n}_pair alter attribute a type text",
     "refused 0A000",
     {.before = pair_type, .x = "{n}_pair"}},
    {"drop and add an attribute",
     "alter type {n}_pair drop attribute b, add attribute b int",
     "told",
     {.before = pair_type, .x = "{n}_pair"}},
    {"add an attribute within an array",
     "alter type {n}_pair add attribute c int",
     "told",
     {.before = pair_type, .x = "{n}_pair[]"}},
    {"rename an attribute within an array",
     "alter type {n}_pair rename attribute a to z",
     "told",
     {.before = pair_type, .x = "{n}_pair[]"}},
    {"add an attribute to a strange type",
     "alter type {n}_pair add attribute c int",
     "told",
     {.before = strange_pair, .x = "{n}_pair"}},
    {"drop an attribute of a strange type",
     "alter type {n}_pair drop attribute a",
     "told",
     {.before = strange_pair, .x = "{n}_pair"}},
    {"rename an attribute of a strange type",
     "alter type {n}_pair rename attribute a to z",
     "told",
     {.before = strange_pair, .x = "{n}_pair"}},
    {"exchange two attributes of a strange type",
     "alter type {n}_pair rename attribute a to z; "
     "alter type {n}_pair rename attribute b to a; alter type {n}_pair rename attribute z to b",
     "told",
     {.before = strange_pair, .x = "{n}_pair"}},
    {"drop and add an attribute of a strange type",
     "alter type {n}_pair drop attribute b, add attribute b int",
     "told",
     {.before = strange_pair, .x = "{n}_pair"}},
    {"add an attribute within an array of a strange type",
     "alter type {n}_pair add attribute c int",
     "told",
     {.before = strange_pair, .x = "{n}_pair[]"}},
    {"rename a composite",
     "alter type {n}_pair rename to {n}_two",
     "follows",
     {.before = pair_type, .x = "{n}_pair"}},
    {"move a composite",
     "create schema {s}; alter type {n}_pair set schema {s}",
     "follows",
     {.before = pair_type, .x = "{n}_pair"}},
    {"give a composite away",
     "create role {r}; alter type {n}_pair owner to {r}",
     "told",
     {.before = pair_type, .x = "{n}_pair"}},
    {"drop a composite",
     "drop type {n}_pair cascade",
     "told",
     {.before = pair_type, .x = "{n}_pair"}},
    {"a table's type gets a column",
     "alter table {n}_other add column c int",
     "told",
     {.before = "create table {n}_other (a int, b text)", .x = "{n}_other"}},
    {"a table's type has a column renamed",
     "alter table {n}_other rename a to z",
     "told",
     {.before = "create table {n}_other (a int, b text)", .x = "{n}_other"}},
    {"a table's type loses a column",
     "alter table {n}_other drop column a",
     "told",
     {.before = "create table {n}_other (a int, b text)", .x = "{n}_other"}},
};

const std::vector<AlterCell> domain_cells = {
    {"a domain's default",
     "alter domain {n}_code set default 'x'",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"no default of a domain",
     "alter domain {n}_code drop default",
     "follows",
     {.before = "create domain {n}_code as text default 'x'", .x = "{n}_code"}},
    {"a domain is not null",
     "update {t} set x = 'a'; alter domain {n}_code set not null",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"a domain may be null",
     "alter domain {n}_code drop not null",
     "follows",
     {.before = "create domain {n}_code as text default 'x' not null",
      .x = "{n}_code default 'x'"}},
    {"a domain's check",
     "alter domain {n}_code add constraint c check (value <> 'none')",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"a domain's check that is not valid",
     "alter domain {n}_code add constraint c check (value = 'none') not valid",
     "follows writes 23514",
     {.before = code_domain, .x = "{n}_code"}},
    {"validate a domain's check",
     "alter domain {n}_code add constraint c check (value <> 'none') "
     "not valid; alter domain {n}_code validate constraint c",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"rename a domain's check",
     "alter domain {n}_code add constraint c check (value <> 'none'); "
     "alter domain {n}_code rename constraint c to d",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"drop a domain's check",
     "alter domain {n}_code add constraint c check (value <> 'none'); "
     "alter domain {n}_code drop constraint c cascade",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"a strange domain's check",
     "alter domain {n}_code add constraint c check (value <> 'none')",
     "follows",
     {.before = strange_code, .x = "{n}_code"}},
    {"rename a domain",
     "alter domain {n}_code rename to {n}_codes",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"move a domain",
     "create schema {s}; alter domain {n}_code set schema {s}",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"give a domain away",
     "create role {r}; alter domain {n}_code owner to {r}",
     "follows",
     {.before = code_domain, .x = "{n}_code"}},
    {"drop a domain",
     "drop domain {n}_code cascade",
     "told",
     {.before = code_domain, .x = "{n}_code"}},
    {"a column's type becomes a domain",
     "alter table {t} alter x type {n}_code",
     "told",
     {.before = code_domain, .x = "text"}},
    {"a domain becomes a column's type",
     "alter table {t} alter x type text",
     "told",
     {.before = code_domain, .x = "{n}_code"}},
};

const std::vector<AlterCell> other_type_cells = {
    {"rename a range",
     "alter type {n}_range rename to {n}_ranges",
     "follows",
     {.before = "create type {n}_range as range (subtype = int8)", .x = "{n}_range"}},
    {"give a range away",
     "create role {r}; alter type {n}_range owner to {r}",
     "told",
     {.before = "create type {n}_range as range (subtype = int8)", .x = "{n}_range"}},
    {"a base type's storage",
     "alter type {n}_base set (storage = external)",
     "follows",
     {.before = "create type {n}_base; create function {n}_in(cstring) returns {n}_base language "
                "internal immutable strict as 'textin'; create function {n}_out({n}_base) returns "
                "cstring language internal immutable strict as 'textout'; create type {n}_base "
                "(input = {n}_in, output = {n}_out, internallength = variable, storage = plain)",
      .x = "{n}_base"}},
    {"a base type is given away",
     "create role {r}; alter type {n}_base owner to {r}",
     "told",
     {.before = "create type {n}_base; create function {n}_in(cstring) returns {n}_base language "
                "internal immutable strict as 'textin'; create function {n}_out({n}_base) returns "
                "cstring language internal immutable strict as 'textout'; create type {n}_base "
                "(input = {n}_in, output = {n}_out, internallength = variable)",
      .x = "{n}_base"}},
    {"rename a collation",
     "alter collation {n}_c rename to {n}_d",
     "follows",
     {.before = "create collation {n}_c (locale = 'C')", .x = "text collate {n}_c"}},
    {"move a collation",
     "create schema {s}; alter collation {n}_c set schema {s}",
     "follows",
     {.before = "create collation {n}_c (locale = 'C')", .x = "text collate {n}_c"}},
    {"give a collation away",
     "create role {r}; alter collation {n}_c owner to {r}",
     "follows",
     {.before = "create collation {n}_c (locale = 'C')", .x = "text collate {n}_c"}},
    {"refresh a collation",
     "alter collation {n}_c refresh version",
     "follows",
     {.before = "create collation {n}_c (locale = 'C')", .x = "text collate {n}_c"}},
    {"a key of a collation that is renamed",
     "alter table {t} alter k type text collate {n}_c; "
     "alter collation {n}_c rename to {n}_d",
     "follows",
     {.before = "create collation {n}_c (locale = 'C')"}},
    {"drop a collation",
     "drop collation {n}_c cascade",
     "told",
     {.before = "create collation {n}_c (locale = 'C')", .x = "text collate {n}_c"}},
};

}  // namespace

TEST_CASE("alter: whatever is done to an enum, the stream is right or clients are told") {
  CHECK(try_alterations(enum_cells, types_setup) == 80);
}

TEST_CASE("alter: whatever is done to a composite type, the stream is right or clients are told") {
  CHECK(try_alterations(composite_cells, types_setup) == 105);
}

TEST_CASE("alter: whatever is done to a domain, the stream is right or clients are told") {
  CHECK(try_alterations(domain_cells, types_setup) == 80);
}

TEST_CASE("alter: whatever is done to another type or collation, the stream is right or told") {
  CHECK(try_alterations(other_type_cells, types_setup) == 50);
}

TEST_CASE("alter: after a crash a type that was altered is right, or clients are told") {
  CHECK(try_alterations(enum_cells, after_crash) == 32);
  CHECK(try_alterations(composite_cells, after_crash) == 42);
  CHECK(try_alterations(domain_cells, after_crash) == 32);
  CHECK(try_alterations(other_type_cells, after_crash) == 20);
}
