#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/catalog.hpp"
#include "pgtide/result.hpp"

// A look at a database from outside the stream, for `status` and `check`. Each makes a connection
// of its own, writes nothing, blocks. Errors: unavailable, denied (names the GRANT), not_found (no
// pgtide there; says what to run).
namespace pgtide {

// What pgtide.status() says, as JSON text (sql/06_look.sql).
Result<std::string> read_status(const std::string& url);

// The role that the schema pgtide belongs to.
Result<std::string> read_owner(const std::string& url);

// Does a bridge lead, and yet make no tick for what was committed? Answers at once where all is
// well, else after up to three seconds.
Result<bool> is_stalled(const std::string& url);

// What a database is and does, beside pgtide.
struct DatabaseFacts {
  std::string version{};  // "15.8"
  int version_number = 0;  // 150008
  std::chrono::microseconds answer_time{};
  // The server's clock less ours, known to within half of answer_time.
  std::chrono::microseconds clock_ahead{};
  std::int64_t connections = 0;
  std::int64_t connections_max = 0;
  bool prepares_transactions = false;
  // What SERIALIZABLE transactions hold: on the log and its indexes, in all, and how many the
  // server has room for.
  std::int64_t predicate_locks_on_log = 0;
  std::int64_t predicate_locks = 0;
  std::int64_t predicate_locks_max = 0;
  int predicate_locks_setting = 0;  // max_pred_locks_per_transaction
  // The oldest that keeps a log table from being emptied: one that writes, in any database, or
  // has a lock on the log. As far as our role may know; `sees_all`: it may know of every one.
  std::chrono::seconds oldest_transaction{};
  std::string oldest_transaction_of{};  // "process 17 ('psql')", "prepared transaction 'a'"
  bool sees_all = true;
  std::string role{};
  std::string grantee{};  // whom to grant what `role` lacks: the schema's owner, unless a superuser
  // Capture roles of databases of this server that no longer exist, as SQL writes their names.
  std::vector<std::string> left_roles{};
};
Result<DatabaseFacts> read_facts(const std::string& url);

// What is watched, and which of `listed_tables` ("schema.table") exist and are not.
Result<std::shared_ptr<const Catalog>> read_catalog(const std::string& url,
                                                    const std::vector<std::string>& listed_tables);

}  // namespace pgtide
