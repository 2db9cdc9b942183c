#pragma once
#include <string>
#include <vector>

#include "support/database.hpp"
#include "support/text.hpp"

// What the matrix of ALTERs is made of. A row of a table of cells is one thing that may be done to
// a watched table; it is tried on a table of each kind, so one row is several cells.
namespace pgtide::test {

struct AlterCell {
  const char* name;
  // {t} is the table, {n} its name alone; {d} its database; {s} a schema, {r} a role
  // of its own, to be made.
  const char* sql;
  // What comes of it, on each kind that `but` does not name:
  //   follows   the stream goes on, and what it says is the table
  //   told      resync_required comes, and what is replayed after it is the table
  //   closed    the rules no longer fit: the subscriptions end, and no row is seen; where no rule
  //             names a column, told
  //   missed    told, and changes after it are lost: /readyz and status say so
  //   refused X PostgreSQL refuses it, with this SQLSTATE
  // After ": " comes a part of what /readyz says of the collection; without it, it says nothing.
  // " writes X": writers fail with this SQLSTATE, as without pgtide.
  // " | " stands between what different versions come to.
  const char* expected;
  struct More {
    const char* but = "";     // "parted = refused 42P16; bare = follows"
    const char* before = "";  // run before the table is made
    const char* after = "";   // and once it is
    const char* x = "int";    // the type of its column x
    int since = 13;           // the versions of PostgreSQL that know it
    int until = 99;
    bool alone = false;  // it touches the whole database
  };
  More more{};
};

enum class TableKind {
  ruled,   // rules name its columns v and h
  open,    // no rule names a column
  pair,    // ruled, with a key of two columns
  parted,  // partitioned, two levels deep; ruled
  bare,    // watched without old rows
  within,  // open; the ALTER stands in a transaction among changes of the table
};

inline const std::vector<TableKind> every_kind = {TableKind::ruled, TableKind::open,
                                                  TableKind::pair,  TableKind::parted,
                                                  TableKind::bare,  TableKind::within};

inline const char* name_of(TableKind kind) {
  static constexpr const char* names[] = {"ruled", "open", "pair", "parted", "bare", "within"};
  return names[static_cast<int>(kind)];
}

inline bool is_ruled(TableKind kind) {
  return kind == TableKind::ruled || kind == TableKind::pair || kind == TableKind::parted;
}

// A cell: a row of the table on a kind of table.
struct Trial {
  const AlterCell* cell;
  TableKind kind;
  std::string name;    // of the collection, and of the table
  std::string schema;  // of its own, as a role, for what needs one
  std::string database{};

  std::string filled(std::string text) const {
    for (const auto& [mark, value] : {std::pair<std::string, std::string>{"{t}", "public." + name},
                                      {"{n}", name},
                                      {"{s}", schema},
                                      {"{r}", "role_" + schema},
                                      {"{d}", database}}) {
      for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size())
        text.replace(at, mark.size(), value);
    }
    return text;
  }
  std::string expected() const {
    const std::string but = std::string("; ") + cell->more.but + "; ";
    const std::string mark = std::string("; ") + name_of(kind) + " = ";
    const std::size_t at = but.find(mark);
    if (at == std::string::npos)
      return holds(cell->expected, "closed") && !is_ruled(kind) ? "told" : cell->expected;
    const std::size_t begin = at + mark.size();
    return but.substr(begin, but.find("; ", begin) - begin);
  }
  std::string table_sql() const {
    const bool pair = kind == TableKind::pair;
    const bool parted = kind == TableKind::parted;
    std::string sql = filled(cell->more.before);
    if (!sql.empty()) sql += "; ";
    sql += "create table " + name +
           " (id int not null, k text not null, v text, h text, "
           "w numeric(10,2), x " +
           filled(cell->more.x) + ", constraint " + name + "_pk primary key (" +
           (pair ? "id, k" : "id") + "))";
    if (parted) {
      sql += " partition by range (id); create table " + name + "_low partition of " + name +
             " for values from (minvalue) to (300) partition by range (id); create table " + name +
             "_least partition of " + name +
             "_low for values from (minvalue) to (200); "
             "create table " +
             name + "_less partition of " + name +
             "_low for values from (200) to (300); create table " + name + "_high partition of " +
             name + " default";
    }
    return sql + "; insert into " + name +
           " (id, k, v, h, w) select n, 'k', 'open', 'HIDDEN', n "
           "from generate_series(1, 14) n; select pgtide.watch('" +
           name + "'" + (kind == TableKind::bare ? ", old_rows => false" : "") + "); " +
           filled(cell->more.after);
  }
  std::string rules() const {
    std::string text = "  " + name + ":\n    subscribe: public\n";
    if (is_ruled(kind)) {
      text +=
          "    where: \"'admin' in user.roles || record.v != 'secret'\"\n"
          "    hide:\n      h: \"'admin' in user.roles\"\n";
    }
    return text;
  }
};

}  // namespace pgtide::test
