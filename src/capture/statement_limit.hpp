#pragma once
#include <chrono>
#include <string>

#include "capture/database_session.hpp"

namespace pgtide {

// For as long as it lives a statement of the session ends after `time_max`, and after a tenth of it
// where it waits for a lock. For what must not keep the ticks waiting: looks and the catalog.
class StatementLimit {
 public:
  StatementLimit(DatabaseSession& session, std::chrono::milliseconds time_max);
  ~StatementLimit();
  StatementLimit(const StatementLimit&) = delete;
  StatementLimit& operator=(const StatementLimit&) = delete;

  // What a statement did that ended by the limit, "took longer than 10 s"; empty: another error.
  std::string passed_by(const pqxx::sql_error& error) const;

 private:
  DatabaseSession& session_;
  std::chrono::milliseconds time_max_;
};

}  // namespace pgtide
