#pragma once
#include <pqxx/connection>
#include <string>
#include <vector>

#include "capture/schema.hpp"

// Tables as an operator names them, and what was probably meant where there is none of that name.
namespace pgtide {

// What an operator's name for a table means in the search_path that he has, before it is set aside.
// Only the reading of a name's text runs under it: no function or operator is looked up there.
// `statement` has the name as its parameter, and returns an oid, or null.
std::string resolve(pqxx::connection& connection, const char* statement, const std::string& name);
inline constexpr const char* to_regclass_sql =
    "select pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid";

// `; did you mean "User"? run: pgtide watch '"User"'`, with the same options, or "" where no table
// is called nearly so. The command can be pasted, whatever is in the name. Throws what pqxx throws.
std::string nearest_table(pqxx::connection& connection, const WatchOptions& options);
// The same of a collection that is to be unwatched, among these; or what lists them.
std::string nearest_collection(const std::string& name, const std::vector<std::string>& names);

}  // namespace pgtide
