#include "capture/schema_owner.hpp"

#include <cctype>
#include <string>

#include "capture/change_row.hpp"
#include "capture/fault.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

struct Column {
  enum Index : int { database, exists, is_member, role, owner, grant, is_foreign };
};

std::string text_in(const pqxx::row& found, Column::Index column) {
  return std::string(text_of(found[column]));
}

// Of a setting in PGOPTIONS, where \ keeps a space or a \ from ending it (PostgreSQL, 34.1.2).
std::string option_value(const std::string& text) {
  std::string value;
  for (const char c : text) {
    if (c == '\\' || std::isspace(static_cast<unsigned char>(c)) != 0) value += '\\';
    value += c;
  }
  return value;
}

}  // namespace

const char* const schema_owner_sql =
    "select current_database(), exists (select from pg_class "
    "where relname = 'meta' and relnamespace = n.oid), pg_has_role(n.nspowner, 'USAGE'), "
    "current_user, o.rolname, format('GRANT %I TO %I;', coalesce(o.rolname, ''), current_user), "
    "not o.rolsuper and (me.rolsuper and o.oid <> me.oid or exists ("
    "select from pg_db_role_setting s, unnest(s.setconfig) c(setting) "
    "where s.setdatabase in (0, (select d.oid from pg_database d "
    "where d.datname = current_database())) and s.setrole in (0, su.oid) "
    "and (starts_with(setting, 'session_authorization=') "
    "or starts_with(setting, 'role=') and su.rolsuper and su.oid <> me.oid))) "
    "from pg_roles me join pg_roles su on su.rolname = session_user "
    "left join pg_namespace n on n.nspname = 'pgtide' "
    "left join pg_roles o on o.oid = n.nspowner where me.rolname = current_user";

void refuse_foreign_owner(const pqxx::row& found) {
  if (found[Column::is_foreign].is_null() || text_in(found, Column::is_foreign) == "f") return;
  const std::string owner = text_in(found, Column::owner);
  throw CaptureFault(ErrorKind::denied,
                     "schema pgtide of database " + text_in(found, Column::database) +
                         " belongs to role " + owner +
                         ", whose code a superuser would run with all rights; connect as " + owner +
                         " or, if you trust that role, act as it: export PGOPTIONS=" +
                         shell_word("-c role=" + option_value(owner)));
}

bool has_trusted_schema(const pqxx::row& found) {
  if (text_in(found, Column::exists) == "f") return false;
  if (text_in(found, Column::is_member) == "f")
    throw CaptureFault(ErrorKind::denied,
                       "pgtide was installed in database " + text_in(found, Column::database) +
                           " by " + text_in(found, Column::owner) + ", and " +
                           text_in(found, Column::role) + " is not a member of it; " +
                           text_in(found, Column::grant));
  refuse_foreign_owner(found);
  return true;
}

std::string require_trusted_owner(const pqxx::row& found) {
  std::string database = text_in(found, Column::database);
  if (!has_trusted_schema(found))
    throw CaptureFault(ErrorKind::not_found,
                       "database " + database + " has no pgtide schema; run: pgtide install");
  return database;
}

}  // namespace pgtide
