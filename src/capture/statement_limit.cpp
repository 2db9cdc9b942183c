#include "capture/statement_limit.hpp"

#include <algorithm>

#include "capture/fault.hpp"

namespace pgtide {
namespace {

std::chrono::milliseconds lock_time(std::chrono::milliseconds time_max) {
  return std::max(time_max / 10, std::chrono::milliseconds{1});
}

std::string text_of_time(std::chrono::milliseconds time) {
  if (time.count() % 1000 == 0) return std::to_string(time.count() / 1000) + " s";
  return std::to_string(time.count()) + " ms";
}

}  // namespace

StatementLimit::StatementLimit(DatabaseSession& session, std::chrono::milliseconds time_max)
    : session_(session), time_max_(time_max) {
  session_.run("set statement_timeout = " + std::to_string(time_max.count()) +
               "; set lock_timeout = " + std::to_string(lock_time(time_max).count()));
}

StatementLimit::~StatementLimit() {
  try {
    session_.run("set statement_timeout = 0; set lock_timeout = 0");
  } catch (const std::exception&) {
    // The session is lost; whoever uses it next is told.
  }
}

std::string StatementLimit::passed_by(const pqxx::sql_error& error) const {
  const std::string state = sqlstate_of(error);
  if (state == "57014") return "took longer than " + text_of_time(time_max_) + ", or was cancelled";
  if (is_lock_refused(state))
    return "waited for a lock for longer than " + text_of_time(lock_time(time_max_));
  return "";
}

}  // namespace pgtide
