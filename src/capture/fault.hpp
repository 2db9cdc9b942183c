#pragma once
#include <pqxx/except>
#include <stdexcept>
#include <string>

#include "pgtide/result.hpp"

// How this floor fails. Inside it faults travel as exceptions, since libpqxx throws anyhow; they
// end at the edge of the source's loop and in Broadcaster, where current_failure() turns them into
// an Error that says how to mend it.
namespace pgtide {

// What we find ourselves: a missing schema, a pooler, a standby.
class CaptureFault : public std::runtime_error {
 public:
  CaptureFault(ErrorKind kind, const std::string& message)
      : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// The log cannot be followed any further, and must begin anew: what it holds is out of order.
class LogDisorder : public CaptureFault {
 public:
  explicit LogDisorder(const std::string& message)
      : CaptureFault(ErrorKind::conflict, message) {}
};

// The SQLSTATE of a failed statement: libpqxx 6 has classes of its own for some, and then leaves it
// out. For a whole class of states that is its first one (22000). Empty: the server said nothing.
std::string sqlstate_of(const pqxx::sql_error& error);

// Call in a catch block only. unavailable: the connection was lost or never made; denied: a right
// is missing; conflict: another leader; not_found: no pgtide schema; internal: everything else.
Error current_failure();

// The SQLSTATE says that values could not be turned into text for us: not representable in our
// encoding, or past what the server can hold in one message (PostgreSQL, appendix A: classes 22
// and 54).
bool is_unprintable(const std::string& sqlstate);

// Out of memory (53200): mostly for a moment, so try again; a row of many megabytes may be why.
bool is_out_of_memory(const std::string& sqlstate);

// Of any resource (PostgreSQL, appendix A: class 53): memory, the disk, what a setting allows.
bool is_out_of_resources(const std::string& sqlstate);

// Lock not available (55P03): somebody is using the table now.
bool is_lock_refused(const std::string& sqlstate);

}  // namespace pgtide
