#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/private_postgres.hpp"

struct pg_conn;

namespace pgtide::test {

using Row = std::vector<std::string>;  // NULL is "NULL": compare `value` where that matters

// What a statement came to: sqlstate is empty when it succeeded.
struct Outcome {
  std::string sqlstate;
  std::string message;  // the primary message alone
  std::vector<Row> rows;
  bool ok() const { return sqlstate.empty(); }
};

// One libpq connection. A failure fails the test (FAIL throws: in a thread of your own use
// attempt). One thread at a time. Move only.
class Session {
 public:
  explicit Session(const std::string& url);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Several statements separated by semicolons are one transaction, as libpq has it.
  std::vector<Row> run(const std::string& sql, const std::vector<std::string>& parameters = {});
  Outcome attempt(const std::string& sql, const std::vector<std::string>& parameters = {});
  // The first column of the first row: nullopt for NULL; a missing row fails the test.
  std::optional<std::string> value(const std::string& sql,
                                   const std::vector<std::string>& parameters = {});

  // For statements that wait for a lock: begin() returns at once, finish() waits for the outcome.
  void begin(const std::string& sql);
  bool busy();
  Outcome finish();

  // COPY table FROM STDIN with these lines (text format, without newlines).
  Outcome copy_in(const std::string& sql, const std::vector<std::string>& lines);

  // What a notice or warning has said since the last call.
  std::vector<std::string> take_notices();

  int pid() const;             // of the server's process
  int server_version() const;  // 150018 for 15.18
  void close();     // as when the client's program ends
  pg_conn* native() { return connection_; }

 private:
  void drop_connection();
  pg_conn* connection_ = nullptr;
  std::unique_ptr<std::vector<std::string>> notices_;
};

// The executable's own cluster, started at the first call and gone at its end. Its settings are
// PostgreSQL's defaults (max_prepared_transactions is 0), with fsync off. A test that needs others,
// or that stops and kills its server, makes a PrivatePostgres of its own.
// A machine without PostgreSQL fails the test.
PrivatePostgres& cluster();

// Those of a cluster that begins with a copy of what initdb once made, in busy_directory().
PrivatePostgresOptions quick_cluster();

// Makes a cluster with these settings ("max_prepared_transactions=10"), or fails the test.
PrivatePostgres make_cluster(std::vector<std::string> settings = {});

// A fresh, empty database; dropped, with its sessions, when the test case ends.
class Database {
 public:
  // `options` is the tail of CREATE DATABASE: "owner app", "template template0 encoding ...".
  explicit Database(const std::string& options = "", PrivatePostgres& server = cluster());
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& name() const { return name_; }
  std::string url(std::string_view user = "postgres") const { return server_.url(name_, user); }
  Session session(std::string_view user = "postgres") const { return Session(url(user)); }

  // By a session of its own, as the superuser.
  std::vector<Row> run(const std::string& sql, const std::vector<std::string>& parameters = {});
  std::optional<std::string> value(const std::string& sql);
  // Runs each file of sql/ in order, as psql -f would; for tests of the SQL itself.
  void run_files(const std::vector<std::string>& paths);

 private:
  PrivatePostgres& server_;
  std::string name_;
  std::optional<Session> session_;
};

// A role of the cluster that may log in ("createrole", "superuser" ... in `attributes`); its name
// is unique. Dropped at the end with what it owns in databases that still exist: declare it before
// the databases that use it.
class Role {
 public:
  explicit Role(const std::string& attributes = "", PrivatePostgres& server = cluster());
  ~Role();
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;
  const std::string& name() const { return name_; }

 private:
  PrivatePostgres& server_;
  std::string name_;
};

}  // namespace pgtide::test
