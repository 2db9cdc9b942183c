#include "capture/table_names.hpp"

#include <algorithm>
#include <optional>
#include <pqxx/pqxx>
#include <vector>

#include "model/pattern.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

// What may be watched, the first ten thousand of it.
constexpr const char* tables_sql =
    "select n.nspname, c.relname, c.oid from pg_class c "
    "join pg_namespace n on n.oid = c.relnamespace "
    "where c.relkind in ('r', 'p') and c.relpersistence = 'p' and not c.relispartition "
    "and n.nspname not in ('pg_catalog', 'information_schema', 'pgtide') "
    "order by 1, 2 limit 10000";

// One column as --key reads it.
std::string key_word(const std::string& column) {
  if (column.find_first_of("\",") == std::string::npos) return column;
  std::string word = "\"";
  for (const char c : column) word += c == '"' ? "\"\"" : std::string(1, c);
  return word + "\"";
}

// The same options for the table `name`, which is called `table` in its schema. Where that cannot
// be a collection's name, another is given.
std::string watch_command(const std::string& name, const std::string& table,
                          const WatchOptions& options) {
  std::string command = "pgtide watch " + shell_word(name);
  std::string collection = options.collection;
  if (collection.empty() && !is_collection_name(table)) {
    collection = table;
    for (char& c : collection) {
      if (!is_collection_name(std::string("_") + c)) c = '_';
    }
    if (!is_collection_name(collection)) collection.insert(0, "_");
  }
  if (!collection.empty()) command += " --as " + shell_word(collection);
  std::string key;
  for (const std::string& column : options.key) {
    key += (key.empty() ? "" : ",") + key_word(column);
  }
  if (!key.empty()) command += " --key=" + shell_word(key);
  return command + (options.ignore_rls ? " --ignore-rls" : "") +
         (options.old_rows ? "" : " --without-old-rows");
}

// As names are compared to find what was meant: without case, and without quotes.
std::string plain_name(std::string_view name) {
  std::string plain = lower_case(name);
  std::erase(plain, '"');
  return plain;
}

// The place of the nearest of these names; none: no one is near.
std::optional<std::size_t> find_meant(const std::string& name,
                                      const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const std::string& each : names) known.push_back(plain_name(each));
  const std::string nearest = find_nearest(plain_name(name), known);
  if (nearest.empty()) return std::nullopt;
  return static_cast<std::size_t>(std::find(known.begin(), known.end(), nearest) - known.begin());
}

}  // namespace

std::string resolve(pqxx::connection& connection, const char* statement, const std::string& name) {
  pqxx::nontransaction look(connection);
  look.exec("reset search_path");
  const pqxx::result found = look.exec_params(statement, name);
  look.exec("set search_path = pg_catalog, pg_temp");
  return found[0][0].is_null() ? "0" : found[0][0].c_str();
}

std::string nearest_table(pqxx::connection& connection, const WatchOptions& options) {
  std::vector<std::string> names;
  pqxx::result tables;
  {
    pqxx::nontransaction look(connection);
    look.exec("set search_path = pg_catalog, pg_temp");
    tables = look.exec(tables_sql);
  }
  const bool qualified = options.table.find('.') != std::string::npos;
  for (const auto& row : tables) {
    const std::string schema = qualified ? row[0].c_str() + std::string(".") : "";
    names.push_back(schema + row[1].c_str());
  }
  const auto place = find_meant(options.table, names);
  if (!place) return "";
  const auto found = tables[static_cast<pqxx::result::size_type>(*place)];
  const std::string table = found[1].c_str();
  std::string name = sql_name(table);
  if (resolve(connection, to_regclass_sql, name) != found[2].c_str()) {
    name = sql_name(found[0].c_str()) + "." + name;
  }
  const std::string command = watch_command(name, table, options);
  const std::string meant = "; did you mean " + name + "? run: " + command;
  return one_line(meant) == meant ? meant : "";  // else it could not be pasted
}

std::string nearest_collection(const std::string& name, const std::vector<std::string>& names) {
  const auto place = find_meant(name, names);
  if (!place) return "; pgtide status lists them";
  return "; did you mean " + names[*place] + "? run: pgtide unwatch " + names[*place];
}

}  // namespace pgtide
