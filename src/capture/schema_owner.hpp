#pragma once
#include <pqxx/result>
#include <string>

namespace pgtide {

// Who calls anything in schema pgtide runs the code of its owner. So before a session does, it runs
// this statement, which calls nothing there, and gives its one row to require_trusted_owner().
extern const char* const schema_owner_sql;

// Trusted are our role itself, a role that ours is a member of, and superusers. A superuser is a
// member of every role, also of one that made a schema pgtide for a superuser to call: they have to
// act as the owner. Returns the database's name. Throws CaptureFault: not_found (no schema, or one
// without table meta), denied.
std::string require_trusted_owner(const pqxx::row& found);
// The same, but false where there is no schema.
bool has_trusted_schema(const pqxx::row& found);
// The part of it that concerns superusers, for who needs to be no member.
void refuse_foreign_owner(const pqxx::row& found);

}  // namespace pgtide
