#include "support/database.hpp"

#include <doctest/doctest.h>
#include <libpq-fe.h>

#include <atomic>

#include "support/folder.hpp"
#include "support/text.hpp"

namespace pgtide::test {
namespace {

void keep_notice(void* notices, const PGresult* result) {
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  static_cast<std::vector<std::string>*>(notices)->emplace_back(message ? message : "");
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text ? text : "";
}

std::vector<Row> all_rows(const PGresult* result) {
  std::vector<Row> rows(static_cast<size_t>(PQntuples(result)));
  for (int row = 0; row < PQntuples(result); ++row)
    for (int column = 0; column < PQnfields(result); ++column)
      rows[static_cast<size_t>(row)].push_back(
          PQgetisnull(result, row, column)
              ? "NULL"
              : std::string(PQgetvalue(result, row, column),
                            static_cast<size_t>(PQgetlength(result, row, column))));
  return rows;
}

// A lost connection has no SQLSTATE of its own: it gets 08006, connection_failure.
Outcome to_outcome(PGconn* connection, const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY ||
      status == PGRES_COPY_IN)
    return {"", "", all_rows(result)};
  Outcome outcome{field(result, PG_DIAG_SQLSTATE), field(result, PG_DIAG_MESSAGE_PRIMARY), {}};
  if (outcome.sqlstate.empty()) outcome = {"08006", trimmed(PQerrorMessage(connection)), {}};
  return outcome;
}

PGresult* execute(PGconn* connection, const std::string& sql,
                  const std::vector<std::string>& parameters) {
  if (parameters.empty()) return PQexec(connection, sql.c_str());
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  return PQexecParams(connection, sql.c_str(), static_cast<int>(values.size()), nullptr,
                      values.data(), nullptr, nullptr, 0);
}

std::string unique_name(const std::string& prefix) {
  static std::atomic<int> next{1};
  return prefix + std::to_string(next++);
}

// A connection costs a server more than most statements: the executable's cluster keeps this one.
Session& administrator() {
  static Session session(cluster().url());
  return session;
}

}  // namespace

Session::Session(const std::string& url) : notices_(new std::vector<std::string>) {
  connection_ = PQconnectdb(url.c_str());
  if (PQstatus(connection_) != CONNECTION_OK)
    FAIL("cannot connect to ", url, ": ", trimmed(PQerrorMessage(connection_)));
  PQsetNoticeReceiver(connection_, keep_notice, notices_.get());
}

Session::Session(Session&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)), notices_(std::move(other.notices_)) {}

Session& Session::operator=(Session&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(notices_, other.notices_);
  return *this;
}

Session::~Session() {
  drop_connection();
}

void Session::drop_connection() {
  if (connection_ != nullptr) PQfinish(connection_);
  connection_ = nullptr;
}

void Session::close() {
  drop_connection();
}

Outcome Session::attempt(const std::string& sql, const std::vector<std::string>& parameters) {
  PGresult* result = execute(connection_, sql, parameters);
  Outcome outcome = to_outcome(connection_, result);
  PQclear(result);
  return outcome;
}

std::vector<Row> Session::run(const std::string& sql, const std::vector<std::string>& parameters) {
  Outcome outcome = attempt(sql, parameters);
  if (!outcome.ok()) FAIL(outcome.sqlstate, " ", outcome.message, " in: ", sql);
  return std::move(outcome.rows);
}

std::optional<std::string> Session::value(const std::string& sql,
                                          const std::vector<std::string>& parameters) {
  PGresult* result = execute(connection_, sql, parameters);
  const Outcome outcome = to_outcome(connection_, result);
  const bool is_null = outcome.rows.empty() || PQgetisnull(result, 0, 0);
  PQclear(result);
  if (!outcome.ok()) FAIL(outcome.sqlstate, " ", outcome.message, " in: ", sql);
  if (outcome.rows.empty()) FAIL("no row from: ", sql);
  if (is_null) return std::nullopt;
  return outcome.rows.front().front();
}

void Session::begin(const std::string& sql) {
  if (PQsendQuery(connection_, sql.c_str()) == 0)
    FAIL("cannot send: ", trimmed(PQerrorMessage(connection_)));
}

bool Session::busy() {
  PQconsumeInput(connection_);
  return PQisBusy(connection_) != 0;
}

Outcome Session::finish() {
  Outcome last;
  while (PGresult* result = PQgetResult(connection_)) {
    Outcome outcome = to_outcome(connection_, result);
    PQclear(result);
    if (last.ok()) last = std::move(outcome);
  }
  return last;
}

Outcome Session::copy_in(const std::string& sql, const std::vector<std::string>& lines) {
  Outcome started = attempt(sql);
  if (!started.ok()) return started;
  for (const std::string& line : lines) {
    const std::string whole = line + "\n";
    PQputCopyData(connection_, whole.data(), static_cast<int>(whole.size()));
  }
  PQputCopyEnd(connection_, nullptr);
  return finish();
}

std::vector<std::string> Session::take_notices() {
  return std::exchange(*notices_, {});
}

int Session::pid() const {
  return PQbackendPID(connection_);
}
int Session::server_version() const { return PQserverVersion(connection_); }

PrivatePostgresOptions quick_cluster() {
  PrivatePostgresOptions options;
  options.parent_directory = busy_directory();
  options.keep_pgdata_in = PGTIDE_KEPT_CLUSTERS;
  return options;
}

PrivatePostgres make_cluster(std::vector<std::string> settings) {
  PrivatePostgresOptions options = quick_cluster();
  options.settings = std::move(settings);
  Result<PrivatePostgres> made = PrivatePostgres::create(options);
  if (!made) FAIL(made.error().to_string());
  return std::move(*made);
}

PrivatePostgres& cluster() {
  static PrivatePostgres own = make_cluster();
  return own;
}

Database::Database(const std::string& options, PrivatePostgres& server)
    : server_(server), name_(unique_name("test_")) {
  const std::string statement = "create database " + name_ + " " + options;
  if (&server_ == &cluster())
    administrator().run(statement);
  else
    Session(server_.url()).run(statement);
}

Database::~Database() {
  session_.reset();
  const std::string statement = "drop database if exists " + name_ + " with (force)";
  if (&server_ == &cluster()) {
    administrator().attempt(statement);
    return;
  }
  PGconn* connection = PQconnectdb(server_.url().c_str());  // its server may be stopped
  PQclear(PQexec(connection, statement.c_str()));
  PQfinish(connection);
}

std::vector<Row> Database::run(const std::string& sql, const std::vector<std::string>& parameters) {
  if (!session_) session_.emplace(url());
  return session_->run(sql, parameters);
}

std::optional<std::string> Database::value(const std::string& sql) {
  if (!session_) session_.emplace(url());
  return session_->value(sql);
}

void Database::run_files(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) run(file_text(path));
}

Role::Role(const std::string& attributes, PrivatePostgres& server)
    : server_(server), name_(unique_name("role_")) {
  Session(server_.url()).run("create role " + name_ + " login " + attributes);
}

Role::~Role() {
  PGconn* connection = PQconnectdb(server_.url().c_str());
  PQclear(PQexec(connection, ("drop owned by " + name_ + " cascade").c_str()));
  PQclear(PQexec(connection, ("drop role if exists " + name_).c_str()));
  PQfinish(connection);
}

}  // namespace pgtide::test
