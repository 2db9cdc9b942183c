#pragma once
#include <pqxx/result>
#include <string>

namespace pgtide {

// Who calls anything in schema pgtide runs the code of its owner. So before a session does, it runs
// this statement, which calls nothing there, and gives its one row to require_trusted_owner().
extern const char* const schema_owner_sql;

// Trusted are our role itself, superusers, and a role that ours is a member of and may do no less
// than the role that has logged in; or else the one that the operator names (PGOPTIONS with role=
// or pgtide.owner=). Returns the database's name. Throws CaptureFault: not_found (no schema, or one
// without table meta), denied.
std::string require_trusted_owner(const pqxx::row& found);
// The same, but false where there is no schema.
bool has_trusted_schema(const pqxx::row& found);
// What schema_owner_sql has found holds for that moment: the schema may be dropped, and somebody
// else make one of its name. So a connection that goes on calling what is in it sends this
// statement with each call, before it, in one message: it fails, with replaced_mark in its text,
// unless the schema is still the one that was found. Nothing that comes after it is parsed then. A
// condition in the call's own statement would come too late: to plan a call may run its code.
std::string schema_guard(const pqxx::row& found);
inline constexpr const char* replaced_mark = "pgtide_schema_was_replaced";
// The same of schema pgtide_api. Throws not_found where there is no such schema.
std::string api_guard(const pqxx::row& found);
// The part of it that is about trust alone, in both schemas, for clients that need to be no member
// and call what is in pgtide_api.
void refuse_foreign_api(const pqxx::row& found);

}  // namespace pgtide
