#include "capture/fault.hpp"

#include <pqxx/pqxx>
#include <string_view>

#include "model/wording.hpp"

namespace pgtide {
namespace {

std::string first_line(std::string_view text) {
  return one_line(text.substr(0, text.find('\n')));
}

// What the server itself advises, where it speaks English: "; its hint: Check free disk space."
std::string hint_of(std::string_view message) {
  constexpr std::string_view label = "\nHINT:  ";
  const std::size_t found = message.find(label);
  if (found == std::string_view::npos) return {};
  return "; its hint: " + first_line(message.substr(found + label.size()));
}

// libpqxx 6 builds the message of a failed statement with the connection's encoding, and where the
// connection is gone, that is what it complains of.
Error from_loss(const std::string& text) {
  if (text.find("client encoding") != std::string::npos || text.empty())
    return {ErrorKind::unavailable, "the connection to the database was lost"};
  const auto says = [&text](std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  if (says("too many clients") || says("connection slots are reserved"))
    return {ErrorKind::unavailable, text + "; end sessions there, or raise max_connections"};
  if (says("password authentication failed"))
    return {ErrorKind::denied,
            text + "; correct the password in database.url, or in the file of PGPASSFILE"};
  if (says("permission denied for database"))
    return {ErrorKind::denied, text + "; GRANT CONNECT ON DATABASE <database> TO <role>;"};
  return {ErrorKind::unavailable, text};
}

Error from_sql(const pqxx::sql_error& error) {
  const std::string text = first_line(error.what());
  const std::string state = sqlstate_of(error);
  if (state == "42501")
    return {ErrorKind::denied, text +
                                   "; connect as the role that ran `pgtide install`, or as a "
                                   "member of it"};
  if (state == "3F000" || state == "42P01" || state == "42703" || state == "42883")
    return {ErrorKind::not_found, text + "; run: pgtide install"};
  if (state == "23505") return {ErrorKind::conflict, "another leader has made this tick"};
  if (state == "53100")
    return {ErrorKind::unavailable, text + "; make room on the database's disk"};
  if (state == "25006")
    return {ErrorKind::unavailable, text + "; give the address of the primary server"};
  if (state.starts_with("57P") || state.starts_with("08")) return {ErrorKind::unavailable, text};
  if (state.empty()) return from_loss(text);  // the server said nothing: it is gone
  return {ErrorKind::internal, text + " (SQLSTATE " + state + ")" + hint_of(error.what())};
}

}  // namespace

std::string sqlstate_of(const pqxx::sql_error& error) {
  if (!error.sqlstate().empty()) return error.sqlstate();
  if (dynamic_cast<const pqxx::insufficient_privilege*>(&error)) return "42501";
  if (dynamic_cast<const pqxx::undefined_table*>(&error)) return "42P01";
  if (dynamic_cast<const pqxx::undefined_function*>(&error)) return "42883";
  if (dynamic_cast<const pqxx::undefined_column*>(&error)) return "42703";
  if (dynamic_cast<const pqxx::syntax_error*>(&error)) return "42601";
  if (dynamic_cast<const pqxx::data_exception*>(&error)) return "22000";
  if (dynamic_cast<const pqxx::unique_violation*>(&error)) return "23505";
  if (dynamic_cast<const pqxx::integrity_constraint_violation*>(&error)) return "23000";
  if (dynamic_cast<const pqxx::plpgsql_raise*>(&error)) return "P0001";
  if (dynamic_cast<const pqxx::plpgsql_error*>(&error)) return "P0000";
  if (dynamic_cast<const pqxx::feature_not_supported*>(&error)) return "0A000";
  if (dynamic_cast<const pqxx::invalid_sql_statement_name*>(&error)) return "26000";
  if (dynamic_cast<const pqxx::out_of_memory*>(&error)) return "53200";
  if (dynamic_cast<const pqxx::disk_full*>(&error)) return "53100";
  if (dynamic_cast<const pqxx::insufficient_resources*>(&error)) return "53000";
  return "";
}

// broken_connection comes before sql_error: libpqxx reports a loss as either, depending on when
// it is noticed.
Error current_failure() {
  try {
    throw;
  } catch (const CaptureFault& fault) {
    return {fault.kind(), one_line(fault.what())};
  } catch (const pqxx::broken_connection& error) {
    return from_loss(first_line(error.what()));
  } catch (const pqxx::sql_error& error) {
    return from_sql(error);
  } catch (const pqxx::failure& error) {
    return from_loss(first_line(error.what()));
  } catch (const std::exception& error) {
    return {ErrorKind::internal, first_line(error.what())};
  } catch (...) {
    return {ErrorKind::internal, "an unknown exception"};
  }
}

bool is_unprintable(const std::string& sqlstate) {
  return sqlstate.starts_with("22") || sqlstate.starts_with("54");
}

bool is_out_of_resources(const std::string& sqlstate) { return sqlstate.starts_with("53"); }

bool is_out_of_memory(const std::string& sqlstate) {
  return sqlstate == "53200";
}

bool is_lock_refused(const std::string& sqlstate) {
  return sqlstate == "55P03";
}

}  // namespace pgtide
