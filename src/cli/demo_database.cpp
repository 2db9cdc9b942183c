#include "cli/demo_database.hpp"

#include <libpq-fe.h>

#include <string_view>

namespace pgtide {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};

std::string trimmed(const char* text) {
  std::string line = text;
  while (!line.empty() && line.back() == '\n') line.pop_back();
  return line;
}

Error to_error(PGconn* connection, const PGresult* result) {
  if (PQstatus(connection) != CONNECTION_OK)
    return Error{ErrorKind::unavailable, trimmed(PQerrorMessage(connection)), "database"};
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view state = field == nullptr ? "" : field;
  ErrorKind kind = ErrorKind::internal;
  if (state == "42501") kind = ErrorKind::denied;    // insufficient_privilege
  if (state == "42P07") kind = ErrorKind::conflict;  // duplicate_table
  return Error{kind, trimmed(PQresultErrorMessage(result)), "database"};
}

}  // namespace

void DemoDatabase::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Result<DemoDatabase> DemoDatabase::connect(const std::string& url) {
  DemoDatabase database;
  database.connection_.reset(PQconnectdb(url.c_str()));
  PGconn* connection = database.connection_.get();
  if (PQstatus(connection) != CONNECTION_OK)
    return Error{ErrorKind::unavailable, trimmed(PQerrorMessage(connection)), "database"};
  return database;
}

Result<DemoDatabase::Rows> DemoDatabase::run(const std::string& sql,
                                             const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  const std::unique_ptr<PGresult, Clear> result(
      values.empty() ? PQexec(connection_.get(), sql.c_str())
                     : PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                    nullptr, values.data(), nullptr, nullptr, 0));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    return to_error(connection_.get(), result.get());
  Rows rows(static_cast<size_t>(PQntuples(result.get())));
  for (int row = 0; row < PQntuples(result.get()); ++row)
    for (int column = 0; column < PQnfields(result.get()); ++column)
      rows[static_cast<size_t>(row)].emplace_back(PQgetvalue(result.get(), row, column));
  return rows;
}

}  // namespace pgtide
