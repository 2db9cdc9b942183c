#pragma once
#include <pqxx/except>
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
// else make one of its name. So a connection that calls what is in it sends this statement with
// each call, before it, in one message and so in one transaction. First it locks something in the
// schema, by its number: whoever drops the schema waits for the call's end, or this has waited for
// the drop. Then it fails unless the name still means the schema that was found, and nothing that
// comes after it is parsed. (Rejected: to look without a lock. A call that waits for a table's lock
// while the schema is dropped looks the name up again, and finds another schema's table. Nor is a
// condition in the call's own statement enough: to plan a call may run its code.)
class SchemaGuard {
 public:
  SchemaGuard() = default;
  // Of the schema of that name, number and owner; `sequence`: the number of what is locked, if any.
  SchemaGuard(const std::string& name, const std::string& number, const std::string& owner,
              const std::string& sequence);

  const std::string& statement() const { return statement_; }  // empty: there is no guard
  bool has_failed(const pqxx::sql_error& error) const;

 private:
  std::string statement_;
  // What the server says where it fails, in the first line. It is random: the lines may hold what
  // somebody has written into a row, or called a table.
  std::string mark_;
  std::string sequence_;
};
SchemaGuard schema_guard(const pqxx::row& found);
// The same of schema pgtide_api, which `pgtide uninstall` drops together with schema pgtide. Roles
// that are no members of the owner may not read what is locked; theirs only looks. Throws not_found
// where there is no such schema.
SchemaGuard api_guard(const pqxx::row& found);
// The part of it that is about trust alone, in both schemas, for clients that need to be no member
// and call what is in pgtide_api.
void refuse_foreign_api(const pqxx::row& found);

}  // namespace pgtide
