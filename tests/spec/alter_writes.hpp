#pragma once
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "support/database.hpp"

// Changes of a table whose columns may be called, or be, anything by now: known by their numbers.
namespace pgtide::test {

// A function that says how a value of any type is written.
inline const char* const literal_sql = R"(
  create schema probe;
  create function probe.quoted(value text) returns text immutable language sql as $$
    select '"' || replace(replace(value, '\', '\\'), '"', '\"') || '"' $$;
  create function probe.literal(kind oid, n int) returns text stable language plpgsql as $$
  declare
    y pg_type;
  begin
    select * into y from pg_type where oid = kind;
    return case
      when y.typtype = 'd' then probe.literal(y.typbasetype, n)
      when y.typtype = 'e' then (select enumlabel from pg_enum where enumtypid = kind
                                  order by enumsortorder limit 1)
      when y.typtype = 'c' then (
        select '(' || string_agg(coalesce(probe.quoted(probe.literal(a.atttypid, n)), ''), ','
                                 order by a.attnum) || ')'
          from pg_attribute a where a.attrelid = y.typrelid and a.attnum > 0 and not attisdropped)
      when y.typtype = 'r' then (
        select format('[%1$s,%1$s]', probe.literal(r.rngsubtype, n)) from pg_range r
         where r.rngtypid = kind)
      when y.typtype = 'm' then '{}'
      when y.typcategory = 'A' then '{' || probe.quoted(probe.literal(y.typelem, n)) || '}'
      when kind = any ('{date,timestamp,timestamptz}'::regtype[]) then '2026-01-0' || n
      when y.typcategory = 'D' then '12:0' || n
      when y.typcategory = 'T' then n || ' days'
      when y.typcategory in ('N', 'S') then n::text
      when y.typcategory = 'B' then case when n % 2 = 0 then 't' else 'f' end
      when y.typcategory = 'V' then '1'
      when y.typcategory = 'I' then '10.0.0.' || n
      when kind = 'uuid'::regtype then '00000000-0000-0000-0000-00000000000' || n
      when kind = any ('{json,jsonb}'::regtype[]) then '{"n":' || n || '}'
      when kind = 'bytea'::regtype then '\x0' || n
      when kind = 'xml'::regtype then '<n/>'
      when kind = 'point'::regtype then '(1,' || n || ')'
    end;
  end $$;
)";

struct WrittenColumn {
  int number;
  std::string name;
  bool text;
  std::string first;   // a value, quoted
  std::string second;  // another one
};

// A table as it is now.
class WrittenTable {
 public:
  WrittenTable(Session& session, std::string table) : table_(std::move(table)) {
    for (const Row& row : session.run(
             "select a.attnum::text, quote_ident(a.attname), (y.typcategory = 'S')::text, "
             "coalesce(quote_literal(probe.literal(a.atttypid, 7)), 'null'), "
             "coalesce(quote_literal(probe.literal(a.atttypid, 8)), 'null') "
             "from pg_attribute a join pg_type y on y.oid = a.atttypid where a.attnum > 0 and "
             "a.attrelid = '" +
             table_ +
             "'::regclass and not a.attisdropped and a.attgenerated = ''"
             " order by a.attnum"))
      columns_.push_back({std::stoi(row[0]), row[1], row[2] == "true", row[3], row[4]});
  }

  // The changes of block `block`, from 1 on; each may be committed by itself.
  std::vector<std::string> changes(int block) const {
    const int first = 100 * block;
    std::vector<std::string> all = {insert(first, {"open", "secret", "open", "secret"})};
    const auto change = [&](int row, const std::string& what) {
      if (!what.empty() && has(1))
        all.push_back("update " + table_ + " set " + what + " where " + at(row));
    };
    change(first, set(6, true));
    change(first, secret(true));       // goes out of sight
    change(first + 1, secret(false));  // comes into sight
    change(first + 1, set(4, true));   // a hidden column alone
    if (has(1)) {
      change(first + 2, named(1) + " = " + quoted(first + 52));
      change(first + 3, named(1) + " = " + quoted(first + 53));
      all.push_back("delete from " + table_ + " where " + at(first));
      change(block, set(5, true));  // rows from before the ALTER
      all.push_back("delete from " + table_ + " where " + at(block + 7));
    }
    return all;
  }

 private:
  static std::string quoted(int n) { return "'" + std::to_string(n) + "'"; }
  // By its number; else by the name that it had, since it may have been made anew.
  const WrittenColumn* find(int number) const {
    static constexpr const char* names[] = {"", "id", "k", "v", "h", "w", "x"};
    for (const WrittenColumn& column : columns_)
      if (column.number == number) return &column;
    for (const WrittenColumn& column : columns_)
      if (column.number > 6 && column.name == names[number]) return &column;
    return nullptr;
  }
  bool has(int number) const { return find(number) != nullptr; }
  std::string named(int number) const { return has(number) ? find(number)->name : ""; }
  std::string at(int row) const { return named(1) + " = " + quoted(row); }
  std::string set(int number, bool second) const {
    const WrittenColumn* column = find(number);
    if (column == nullptr) return "";
    return column->name + " = " + value(*column, 0, second ? "changed" : "open");
  }
  // What makes a row secret bears a mark in k as well, which is looked for in what guests get.
  std::string secret(bool is) const {
    const char* word = is ? "secret" : "open";
    std::string all;
    for (int number : {2, 3}) {
      if (!has(number)) continue;
      all += (all.empty() ? "" : ", ") + named(number) + " = " + value(*find(number), 0, word);
    }
    return all;
  }
  static std::string value(const WrittenColumn& column, int row, const std::string& word) {
    const bool second = word != "open";
    const auto is = [&](int number, const char* name) {
      return column.number == number || (column.number > 6 && column.name == name);
    };
    if (is(1, "id")) return quoted(row);
    if (column.text && is(2, "k")) return word == "secret" ? "'SECRET'" : "'k'";
    if (column.text && is(3, "v")) return "'" + word + "'";
    if (column.text && is(4, "h")) return second ? "'HIDDEN2'" : "'HIDDEN'";
    return second ? column.second : column.first;
  }
  std::string insert(int first, const std::vector<std::string>& words) const {
    std::string names;
    for (const WrittenColumn& column : columns_) names += (names.empty() ? "" : ", ") + column.name;
    std::string rows;
    for (const std::string& word : words) {
      std::string row;
      for (const WrittenColumn& column : columns_)
        row += (row.empty() ? "(" : ", ") + value(column, first, word);
      rows += (rows.empty() ? "" : ", ") + row + ")";
      ++first;
    }
    return "insert into " + table_ + " (" + names + ") overriding system value values " + rows;
  }

  std::string table_;
  std::vector<WrittenColumn> columns_;
};

}  // namespace pgtide::test
