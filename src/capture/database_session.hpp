#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <vector>

#include "capture/schema_owner.hpp"

namespace pgtide {

// One connection to the database, with the settings that the log's statements rely on.
//
// Statements are autocommit. Everything throws pqxx's exceptions, or CaptureFault; after any of
// them the session is thrown away, never used again: libpqxx 6 would reconnect silently, without
// the lock, the LISTEN and the settings, so that is switched off at once.
// One thread, but for cancel().
class DatabaseSession {
 public:
  struct Notice {
    std::string channel;
    std::string payload;
  };

  // `queries` counts the statements sent. Refuses a pooler: in transaction mode it would hand the
  // session's lock and LISTEN to somebody else.
  DatabaseSession(const std::string& connection_string, std::atomic<std::uint64_t>& queries);
  ~DatabaseSession();

  // From here on every statement is kept from running once the schema that it calls has been
  // replaced: it goes after the guard (schema_guard()), in one message and so in one transaction.
  void trust(const SchemaGuard& guard);
  const SchemaGuard& guard() const { return guard_; }

  // Several statements separated by semicolons are one transaction.
  pqxx::result run(const std::string& sql);
  std::string quote(const std::string& text) const { return connection_->quote(text); }

  // The first one of a name counts.
  void prepare(const std::string& name, const std::string& sql);
  template <class... Parameters>
  pqxx::result run_prepared(const std::string& name, const Parameters&... parameters) {
    std::string values;
    ((values += (values.empty() ? "" : ", ") + quote(pqxx::to_string(parameters))), ...);
    return guarded("execute \"" + name + "\"" + (values.empty() ? "" : "(" + values + ")"));
  }
  // Prepares it first, where it was not yet: for texts of which there are few.
  template <class... Parameters>
  pqxx::result run_with(const std::string& sql, const Parameters&... parameters) {
    const std::size_t number = numbers_.try_emplace(sql, numbers_.size()).first->second;
    const std::string name = "statement" + std::to_string(number);
    prepare(name, sql);
    return run_prepared(name, parameters...);
  }

  void listen(const std::string& channel);
  // What has arrived so far, without waiting. Throws broken_connection where the server is gone.
  std::vector<Notice> take_notices();
  int socket() const { return connection_->sock(); }
  int server_version() const { return connection_->server_version(); }

  // Ends a statement that is running, from any thread.
  void cancel() noexcept;

 private:
  class Receiver;
  void settle();
  void refuse_pooler();
  pqxx::result guarded(const std::string& sql);

  std::atomic<std::uint64_t>& queries_;
  std::unique_ptr<pqxx::connection> connection_;
  std::set<std::string> prepared_;
  std::map<std::string, std::size_t> numbers_;  // of run_with()'s texts
  SchemaGuard guard_;
  bool replaced_ = false;  // the guard has failed once
  std::vector<Notice> notices_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
};

}  // namespace pgtide
