#include "capture/schema_owner.hpp"

#include <cctype>
#include <random>
#include <sstream>
#include <string>

#include "capture/change_row.hpp"
#include "capture/fault.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

struct Column {
  enum Index : int {
    database, exists, is_member, role, owner, grant, is_foreign, is_super, other_api_owner,
    number, owner_number, api_number, api_owner_number, sequence_number
  };
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

std::string random_mark() {
  std::random_device random;
  std::ostringstream mark;
  mark << "pgtide_schema_was_replaced_" << std::hex << random() << random();
  return mark.str();
}

// The number of the sequence that is locked.
std::string sequence_in(const pqxx::row& found) {
  if (found[Column::sequence_number].is_null())
    throw CaptureFault(ErrorKind::not_found, "schema pgtide of database " +
                                                 text_in(found, Column::database) +
                                                 " lacks sequence current; run: pgtide install");
  return text_in(found, Column::sequence_number);
}

void refuse_foreign_owner(const pqxx::row& found) {
  if (found[Column::is_foreign].is_null() || text_in(found, Column::is_foreign) == "f") return;
  const std::string owner = text_in(found, Column::owner);
  const std::string belongs = "schema pgtide of database " + text_in(found, Column::database) +
                              " belongs to role " + owner;
  if (text_in(found, Column::is_super) == "t")
    throw CaptureFault(ErrorKind::denied,
                       belongs + ", whose code a superuser would run with all rights; connect as " +
                           owner +
                           " or, if you trust that role, act as it (which confines nothing: its "
                           "code may SET ROLE NONE): export PGOPTIONS=" +
                           shell_word("-c role=" + option_value(owner)));
  throw CaptureFault(ErrorKind::denied,
                     belongs + ", whose code would run with rights of yours that it lacks "
                     "(attributes, or memberships in other roles); connect as " + owner +
                         " or, if you trust that role, say so: export PGOPTIONS=" +
                         shell_word("-c pgtide.owner=" + option_value(owner)));
}

}  // namespace

// Foreign is an owner who may do less than whoever has logged in: what the owner's code does by SET
// ROLE, and by the attributes of the session's role, it does with the rights of that login. `kept`
// are settings that come from the catalog, and so perhaps from the owner: they say nothing of what
// the operator trusts.
const char* const schema_owner_sql =
    "select current_database(), exists (select from pg_class "
    "where relname = 'meta' and relnamespace = n.oid), pg_has_role(n.nspowner, 'USAGE'), "
    "current_user, o.rolname, format('GRANT %I TO %I;', coalesce(o.rolname, ''), current_user), "
    "not o.rolsuper and (kept.names && '{session_authorization}' "
    "or (su.rolsuper or su.rolcreaterole > o.rolcreaterole or su.rolcreatedb > o.rolcreatedb "
    "or su.rolbypassrls > o.rolbypassrls or su.rolreplication > o.rolreplication "
    "or exists (select from pg_roles r, unnest('{MEMBER,MEMBER WITH ADMIN OPTION}'::text[]) how "
    "where r.oid not in (su.oid, o.oid) "
    "and pg_has_role(su.oid, r.oid, how) and not pg_has_role(o.oid, r.oid, how))) "
    "and su.oid <> o.oid and (me.oid <> o.oid or kept.names && '{role}') "
    "and (current_setting('pgtide.owner', true) is distinct from o.rolname::text "
    "or kept.names && '{pgtide.owner}')), su.rolsuper, "
    "(select p.rolname from pg_namespace api join pg_roles p on p.oid = api.nspowner "
    "where api.nspname = 'pgtide_api' and api.nspowner is distinct from n.nspowner), "
    "n.oid, n.nspowner, a.oid, a.nspowner, (select s.oid from pg_class s "
    "where s.relnamespace = n.oid and s.relname = 'current' and s.relkind = 'S') "
    "from pg_roles me join pg_roles su on su.rolname = session_user "
    "left join pg_namespace n on n.nspname = 'pgtide' "
    "left join pg_roles o on o.oid = n.nspowner "
    "left join pg_namespace a on a.nspname = 'pgtide_api' "
    "cross join lateral (select coalesce(array_agg(lower(split_part(setting, '=', 1))), '{}') "
    "from pg_db_role_setting s, unnest(s.setconfig) c(setting) "
    "where s.setdatabase in (0, (select d.oid from pg_database d "
    "where d.datname = current_database())) and s.setrole in (0, su.oid)) kept(names) "
    "where me.rolname = current_user";

void refuse_foreign_api(const pqxx::row& found) {
  if (!found[Column::other_api_owner].is_null())
    throw CaptureFault(ErrorKind::denied,
                       "schema pgtide_api of database " + text_in(found, Column::database) +
                           " belongs to role " + text_in(found, Column::other_api_owner) +
                           ", not to the owner of schema pgtide, and its code would run with your "
                           "rights; have that schema renamed, then run: pgtide install");
  refuse_foreign_owner(found);
}

SchemaGuard api_guard(const pqxx::row& found) {
  if (found[Column::number].is_null() || found[Column::api_number].is_null())
    throw CaptureFault(ErrorKind::not_found, "database " + text_in(found, Column::database) +
                                                 " has no " +
                                                 (found[Column::number].is_null() ? "pgtide"
                                                                                  : "pgtide_api") +
                                                 " schema; run: pgtide install");
  return SchemaGuard("pgtide_api", text_in(found, Column::api_number),
                     text_in(found, Column::api_owner_number),
                     text_in(found, Column::is_member) == "t" ? sequence_in(found) : "");
}

SchemaGuard schema_guard(const pqxx::row& found) {
  return SchemaGuard("pgtide", text_in(found, Column::number), text_in(found, Column::owner_number),
                     sequence_in(found));
}

// pg_sequence_last_value(), which is never below 0 here, has its lock until the transaction ends.
// CASE asks one after the other, and to_regnamespace() sees what was committed before the lock was
// had.
SchemaGuard::SchemaGuard(const std::string& name, const std::string& number,
                         const std::string& owner, const std::string& sequence)
    : mark_(random_mark()), sequence_(sequence) {
  std::string cases;
  const auto fail_where = [&](const std::string& condition) {
    cases += " when " + condition + " then '" + mark_ + "'";
  };
  if (!sequence.empty())
    fail_where("coalesce(pg_sequence_last_value(" + sequence + "::oid::regclass), 0) < 0");
  fail_where("to_regnamespace('" + name + "')::oid is distinct from " + number + "::oid");
  fail_where("not exists (select from pg_namespace where oid = " + number + " and nspowner = " +
             owner + ")");
  statement_ = "select cast(case" + cases + " else 'int4' end as regtype)";
}

// Where the sequence is gone it cannot be opened: an internal error, which names its number.
bool SchemaGuard::has_failed(const pqxx::sql_error& error) const {
  if (statement_.empty()) return false;
  const std::string text = error.what();
  const std::string line = text.substr(0, text.find('\n'));
  if (line.find(mark_) != std::string::npos) return true;
  return !sequence_.empty() && sqlstate_of(error) == "XX000" &&
         line.find("OID " + sequence_) != std::string::npos;
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
