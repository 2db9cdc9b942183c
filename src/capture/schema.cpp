#include "capture/schema.hpp"

#include <memory>
#include <pqxx/pqxx>

#include "capture/change_row.hpp"
#include "capture/connection_string.hpp"
#include "capture/fault.hpp"
#include "capture/schema_owner.hpp"
#include "capture/sql_files.hpp"
#include "capture/table_names.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

// Keeps the server's warnings and lets its notices go.
class WarningReceiver : public pqxx::errorhandler {
 public:
  WarningReceiver(pqxx::connection_base& connection, const WarningSink& sink)
      : pqxx::errorhandler(connection), sink_(sink) {}

  bool operator()(const char message[]) noexcept override {
    const std::string_view text = message;
    try {
      if (sink_ && text.starts_with("WARNING:")) sink_(text);
    } catch (...) {  // a sink that fails must not end the server's work
    }
    return true;
  }

 private:
  const WarningSink& sink_;
};

// libpqxx 6 reconnects silently; a half of our work on another connection would be a lie.
void never_reconnect([[maybe_unused]] pqxx::connection& connection) {
#if defined(PQXX_VERSION_MAJOR) && PQXX_VERSION_MAJOR < 7
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
}

// What a role or database may have set for its application would end our work half way, if at all,
// or let others' functions and operators be called for PostgreSQL's.
void settle(pqxx::connection& connection) {
  pqxx::nontransaction settings(connection);
  settings.exec("set search_path = pg_catalog, pg_temp");
  settings.exec("set quote_all_identifiers = off");
  settings.exec("set standard_conforming_strings = on");
  settings.exec("set check_function_bodies = on");
  settings.exec("set statement_timeout = 0");
  settings.exec("set lock_timeout = 0");
  settings.exec("set idle_in_transaction_session_timeout = 0");
  settings.exec("set default_transaction_read_only = off");
  settings.exec("set default_transaction_isolation = 'read committed'");
  settings.exec("set default_transaction_deferrable = off");
  // Of PostgreSQL 17.
  settings.exec("select set_config(name, '0', false) from pg_settings "
                "where name = 'transaction_timeout'");
}

// "ERROR:  table posts ...\nHINT:  GRANT ..." as one line of text: "table posts ...; GRANT ...".
std::string sentence_of(std::string_view text) {
  std::string sentence;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with("ERROR:  ")) {
      sentence = line.substr(8);
    } else if (line.starts_with("HINT:  ")) {
      sentence.append("; ").append(line.substr(7));
    }
  }
  return sentence;
}

ErrorKind kind_of(const std::string& sqlstate) {
  if (sqlstate == "42501") return ErrorKind::denied;
  if (sqlstate == "42P01" || sqlstate == "42704" || sqlstate == "3F000" || sqlstate == "42883")
    return ErrorKind::not_found;
  if (sqlstate == "55000" || sqlstate == "42710" || sqlstate == "23505") return ErrorKind::conflict;
  if (sqlstate == "55P03" || sqlstate == "25006" || sqlstate.starts_with("57P") ||
      sqlstate.starts_with("08") || sqlstate.starts_with("40"))
    return ErrorKind::unavailable;
  if (sqlstate.starts_with("22") || sqlstate.starts_with("42") || sqlstate == "0A000")
    return ErrorKind::invalid;
  return ErrorKind::internal;
}

// PostgreSQL's own refusals do not say what to do; ours do.
std::string mend_for(const std::string& sqlstate, const std::string& text) {
  if (sqlstate == "3F000" || sqlstate == "42883" || text.find("\"pgtide.") != std::string::npos)
    return sqlstate == "42501" ? "" : "; run: pgtide install";
  if (text.starts_with("canceling statement due to lock timeout"))
    return "; a transaction holds a lock on a table of schema pgtide (see pg_locks and "
           "pg_stat_activity); end it, or try again later";
  if (sqlstate == "25006") return "; give the address of the primary server in database.url";
  if (sqlstate == "42501" && text.find("schema pgtide") != std::string::npos)
    return "; connect as the role that ran pgtide install, or GRANT that role to yours";
  return "";
}

Error failure(const std::string& context) {
  try {
    throw;
  } catch (const pqxx::broken_connection&) {
    Error error = current_failure();
    error.context = context;
    return error;
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    if (state.empty()) return {ErrorKind::unavailable, error.what(), context};
    const std::string text = one_line(sentence_of(error.what()));
    return {kind_of(state), text + mend_for(state, text), context};
  } catch (...) {
    Error error = current_failure();
    error.context = context;
    return error;
  }
}

// One connection, one piece of work, and no exception past here.
template <class Work>
auto with_connection(const std::string& url, const std::string& context, Work work)
    -> Result<decltype(work(std::declval<pqxx::connection&>()))> {
  try {
    pqxx::connection connection(make_connection_string(url));
    never_reconnect(connection);
    settle(connection);
    if constexpr (std::is_void_v<decltype(work(connection))>) {
      work(connection);
      return {};
    } else {
      return work(connection);
    }
  } catch (...) {
    return failure(one_line(context));
  }
}

void set_for_transaction(pqxx::work& transaction, const char* name, const std::string& value) {
  transaction.exec_params("select set_config($1::text, $2::text, true)", name, value);
}

// The oid of the table that is to be watched.
std::string find_table(pqxx::connection& connection, const WatchOptions& options) {
  try {
    return resolve(connection, "select $1::pg_catalog.regclass::pg_catalog.oid", options.table);
  } catch (const pqxx::sql_error& error) {
    if (sqlstate_of(error) == "42501") throw;
    const std::string why = one_line(sentence_of(error.what()));
    throw CaptureFault(ErrorKind::not_found, why + nearest_table(connection, options));
  }
}

// PostgreSQL's array literal of the names: each quoted, with \ and " escaped.
std::string array_of(const std::vector<std::string>& names) {
  std::string text = "{";
  for (const std::string& name : names) {
    if (text.size() > 1) text += ',';
    text += '"';
    for (const char c : name) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

// Calls what is in schema pgtide: each statement goes with the guard that the check returned, in
// one message, or somebody might make another schema pgtide between the check and the call.
class Caller {
 public:
  // Throws where there is no schema, or one whose owner's code must not be called.
  explicit Caller(pqxx::connection& connection) : connection_(connection) {
    pqxx::nontransaction look(connection);
    const pqxx::result found = look.exec(schema_owner_sql);
    require_trusted_owner(found[0]);
    guard_ = schema_guard(found[0]);
  }

  // A transaction of its own.
  pqxx::result call(const std::string& statement) const {
    try {
      pqxx::nontransaction work(connection_);
      return work.exec(guard_.statement() + "; " + statement);
    } catch (const pqxx::sql_error& error) {
      if (!guard_.has_failed(error)) throw;
      throw CaptureFault(ErrorKind::conflict,
                         "schema pgtide was dropped, or made by somebody else, at this moment; "
                         "run it again");
    }
  }
  std::string quote(const std::string& text) const { return connection_.quote(text); }

 private:
  pqxx::connection& connection_;
  SchemaGuard guard_;
};

// Throws where no collection is called so, nor is a watched table: with the nearest that is.
void require_watched(const Caller& caller, const std::string& name, const std::string& relation) {
  const pqxx::result found = caller.call("select from pgtide.collection where name = " +
                                         caller.quote(name) + "::text or relation = " + relation +
                                         "::oid");
  if (!found.empty()) return;
  const pqxx::result rows = caller.call("select name from pgtide.collection order by 1");
  std::vector<std::string> names;
  for (const auto& row : rows) names.emplace_back(row[0].c_str());
  throw CaptureFault(ErrorKind::not_found, "no collection is called " + one_line(name) +
                                               nearest_collection(name, names));
}

void unwatch_all(const Caller& caller) {
  const pqxx::result names = caller.call("select name from pgtide.collection order by id");
  for (const auto& row : names)
    caller.call("select pgtide.forget(" + caller.quote(row[0].c_str()) + "::text)");
}

// Whoever may use schema pgtide_api, or call what is in it, may hold its rows of the catalog, by a
// GRANT in a transaction that stays open. Null: nobody does.
constexpr const char* row_holders_sql =
    "select string_agg(distinct case when a.pid is not null then "
    "format('process %s (%s) of role %I: SELECT pg_terminate_backend(%s);', a.pid,"
    " quote_literal(left(a.application_name, 20)), a.usename, a.pid) "
    "else format('a prepared transaction: ROLLBACK PREPARED %L;', x.gid) end, ' ') "
    "from (select n.xmax from pg_namespace n where n.nspname in ('pgtide', 'pgtide_api') "
    "union all select p.xmax from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
    "where n.nspname in ('pgtide', 'pgtide_api')) r(writer) "
    "join pg_locks l on l.locktype = 'transactionid' and l.granted "
    "and l.transactionid = r.writer "
    "left join pg_stat_activity a on a.pid = l.pid "
    "left join pg_prepared_xacts x on l.pid is null and x.transaction = l.transactionid "
    "where a.pid is not null or x.gid is not null";

// What refuses our tables: event triggers whose function stands in the failure's context. Null:
// none does.
constexpr const char* guards_sql =
    "select format('; event trigger %s refuses it: let it pass schema pgtide (a primary key on the "
    "log tables would cost every writer), or: %s pgtide install; %s', "
    "string_agg(format('%I', e.evtname), ', '), "
    "string_agg(format('ALTER EVENT TRIGGER %I DISABLE;', e.evtname), ' '), "
    "string_agg(format('ALTER EVENT TRIGGER %I ENABLE%s;', e.evtname, case e.evtenabled "
    "when 'A' then ' ALWAYS' when 'R' then ' REPLICA' else '' end), ' ')) "
    "from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid "
    "where e.evtenabled <> 'D' and strpos($1::text, format(' %s() line ', p.oid::regproc)) > 0 "
    "having count(*) > 0";

// Throws again what the server has refused, with what to do where an event trigger did.
[[noreturn]] void refuse_with_guards(pqxx::connection& connection, const std::string& text) {
  const std::string why = one_line(sentence_of(text));
  pqxx::nontransaction look(connection);
  const pqxx::result guards = look.exec_params(guards_sql, text);
  if (guards.empty()) throw;
  throw CaptureFault(ErrorKind::conflict, why + one_line(guards[0][0].c_str()));
}

// Runs the files in one transaction; where a lock was waited for in vain, says who has it.
void run_files(pqxx::connection& connection, const InstallOptions& options) {
  const auto on = [](bool given) { return given ? "on" : "off"; };
  std::string waited;
  try {
    pqxx::work transaction(connection);
    set_for_transaction(transaction, "pgtide.force", on(options.force));
    set_for_transaction(transaction, "pgtide.force_logged_sequences",
                        on(options.force_logged_sequences));
    set_for_transaction(transaction, "pgtide.owner", options.owner);
    for (const EmbeddedFile& file : sql_files()) transaction.exec(file.text);
    transaction.commit();
    return;
  } catch (const pqxx::sql_error& error) {
    waited = sentence_of(error.what());
    if (!waited.starts_with("canceling statement due to lock timeout")) {
      if (sqlstate_of(error) == "55P03") throw;  // ours, with names of others' in it
      refuse_with_guards(connection, error.what());
    }
  }
  pqxx::nontransaction look(connection);
  const pqxx::result holders = look.exec(row_holders_sql);
  const std::string mend = holders[0][0].is_null() ? mend_for("55P03", waited)
                                                   : std::string("; it is held by ") +
                                                         holders[0][0].c_str();
  throw CaptureFault(ErrorKind::unavailable, waited + mend);
}

// Nothing is installed where a schema is missing, or has no table meta.
bool is_installed(pqxx::connection& connection) {
  pqxx::nontransaction look(connection);
  return has_trusted_schema(look.exec(schema_owner_sql)[0]);
}

}  // namespace

Result<void> install(const std::string& url, const InstallOptions& options) {
  return with_connection(url, "pgtide install", [&](pqxx::connection& connection) {
    const WarningReceiver receiver(connection, options.warn);
    run_files(connection, options);
  });
}

Result<void> uninstall(const std::string& url, const WarningSink& warn) {
  return with_connection(url, "pgtide uninstall", [&](pqxx::connection& connection) {
    const WarningReceiver receiver(connection, warn);
    if (!is_installed(connection))
      throw CaptureFault(ErrorKind::not_found, std::string("nothing is installed in database ") +
                                                   connection.dbname());
    const Caller caller(connection);
    unwatch_all(caller);
    caller.call("select pgtide.uninstall()");
  });
}

Result<Watched> watch(const std::string& url, const WatchOptions& options) {
  return with_connection(url, "pgtide watch " + options.table, [&](pqxx::connection& connection) {
    const WarningReceiver receiver(connection, options.warn);
    const Caller caller(connection);
    const std::string table = find_table(connection, options);
    const auto is = [](bool given) { return given ? "true" : "false"; };
    const pqxx::result answer = caller.call(
        "select pgtide.watch(t.oid::regclass, nullif(" + caller.quote(options.collection) +
        "::text, ''), nullif(" + caller.quote(array_of(options.key)) + "::text, '{}')::text[], " +
        is(options.ignore_rls) + ", " + is(options.old_rows) +
        "), format('%I.%I', n.nspname, t.relname), r.rolname from pg_class t "
        "join pg_namespace n on n.oid = t.relnamespace join pg_roles r on r.oid = t.relowner "
        "where t.oid = " + table + "::oid");
    if (answer.empty()) throw CaptureFault(ErrorKind::not_found, "the table is gone");
    return Watched{answer[0][0].c_str(), answer[0][1].c_str(), answer[0][2].c_str()};
  });
}

Result<void> unwatch(const std::string& url, const std::string& table) {
  return with_connection(url, "pgtide unwatch " + table, [&](pqxx::connection& connection) {
    const Caller caller(connection);
    const std::string relation = resolve(connection, to_regclass_sql, table);
    require_watched(caller, table, relation);
    caller.call("select case when exists (select from pgtide.collection where relation = " +
                relation + "::oid) then pgtide.unwatch(" + relation +
                "::oid::regclass) else pgtide.forget(" + caller.quote(table) + "::text) end");
  });
}

Result<std::int64_t> acknowledge(const std::string& url, const std::string& collection) {
  return with_connection(url, "pgtide acknowledge", [&](pqxx::connection& connection) {
    const Caller caller(connection);
    if (!collection.empty()) require_watched(caller, collection, "0");
    return integer_of(caller.call("select pgtide.acknowledge(nullif(" + caller.quote(collection) +
                                  "::text, ''))")[0][0]);
  });
}

}  // namespace pgtide
