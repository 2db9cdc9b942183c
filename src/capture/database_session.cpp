#include "capture/database_session.hpp"

#include "capture/fault.hpp"

namespace pgtide {
namespace {

void never_reconnect([[maybe_unused]] pqxx::connection& connection) {
#if defined(PQXX_VERSION_MAJOR) && PQXX_VERSION_MAJOR < 7
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
}

// Without statistics on tables that autovacuum never sees, plans by cost are plans by chance: the
// log's statements are written for their indexes. Two encodings have no way to UTF-8: their bytes
// come as they are, and rows that are no UTF-8 are skipped. The server's keepalives let it notice
// within 15 s that our host is gone, and give the leader's lock to another. Everything a role or
// database may have set otherwise and that would change what the statements mean is set here.
constexpr const char* settings = R"(
  select set_config(name, value, false) from (values
    ('client_encoding', case when current_setting('server_encoding') in ('SQL_ASCII',
                        'MULE_INTERNAL') then current_setting('server_encoding') else 'UTF8' end),
    ('default_transaction_isolation', 'read committed'),
    ('default_transaction_read_only', 'off'),
    ('default_transaction_deferrable', 'off'),
    ('synchronous_commit', case when current_setting('synchronous_commit') in ('off', 'local')
                           then 'on' else current_setting('synchronous_commit') end),
    ('statement_timeout', '0'), ('lock_timeout', '0'),
    ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'),
    ('transaction_timeout', '0'), ('search_path', 'pg_catalog, pg_temp'), ('jit', 'off'),
    ('quote_all_identifiers', 'off'), ('standard_conforming_strings', 'on'),
    ('check_function_bodies', 'on'),
    ('enable_seqscan', 'off'), ('plan_cache_mode', 'force_generic_plan'),
    ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '3'), ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '15000'),
    ('max_parallel_workers_per_gather', '0'), ('DateStyle', 'ISO, MDY'), ('TimeZone', 'UTC'))
    as wanted(name, value)
  where exists (select from pg_catalog.pg_settings s where s.name = wanted.name))";

}  // namespace

class DatabaseSession::Receiver : public pqxx::notification_receiver {
 public:
  Receiver(pqxx::connection& connection, const std::string& name, std::vector<Notice>& notices)
      : pqxx::notification_receiver(connection, name), notices_(notices) {}
  void operator()(const std::string& payload, int) override {
    notices_.push_back({channel(), payload});
  }

 private:
  std::vector<Notice>& notices_;
};

DatabaseSession::DatabaseSession(const std::string& connection_string,
                                 std::atomic<std::uint64_t>& queries)
    : queries_(queries), connection_(std::make_unique<pqxx::connection>(connection_string)) {
  never_reconnect(*connection_);
  settle();
  refuse_pooler();
}

DatabaseSession::~DatabaseSession() = default;

void DatabaseSession::settle() {
  // The role's search_path might hold functions that are called like PostgreSQL's, and its timeout
  // be shorter than the statement that sets the rest.
  run("set search_path = pg_catalog, pg_temp; set statement_timeout = 0");
  run(settings);
}

// Two statements, so that a pooler has the chance to be seen: a process that was ours while we
// connected and is not now, or one that is not the one that libpq was told of.
void DatabaseSession::refuse_pooler() {
  const int told = connection_->backendpid();
  for (int turn = 0; turn < 2; ++turn)
    if (run("select pg_backend_pid()")[0][0].as<int>() != told)
      throw CaptureFault(ErrorKind::invalid,
                         "between pgtide and PostgreSQL is a connection pooler, which breaks locks "
                         "and notifications; give the server's own address in database.url");
}

// Prepared, it costs a third.
void DatabaseSession::trust(const SchemaGuard& guard) {
  run("prepare guard as " + guard.statement());
  guard_ = guard;
}

// What sets something calls nothing.
pqxx::result DatabaseSession::run(const std::string& sql) {
  if (sql.starts_with("select ") || sql.starts_with("insert ")) return guarded(sql);
  ++queries_;
  pqxx::nontransaction work(*connection_);
  return work.exec(sql);
}

pqxx::result DatabaseSession::guarded(const std::string& sql) {
  try {
    if (!replaced_) {
      ++queries_;
      pqxx::nontransaction work(*connection_);
      return work.exec(guard_.statement().empty() ? sql : "execute guard; " + sql);
    }
  } catch (const pqxx::sql_error& error) {
    if (!guard_.has_failed(error)) throw;
    replaced_ = true;
  }
  throw CaptureFault(ErrorKind::unavailable,
                     "the schema was dropped, or made anew, while this connection used it");
}

void DatabaseSession::prepare(const std::string& name, const std::string& sql) {
  if (prepared_.insert(name).second) guarded("prepare \"" + name + "\" as " + sql);
}

void DatabaseSession::listen(const std::string& channel) {
  receivers_.push_back(std::make_unique<Receiver>(*connection_, channel, notices_));
}

std::vector<DatabaseSession::Notice> DatabaseSession::take_notices() {
  connection_->get_notifs();
  return std::exchange(notices_, {});
}

// libpqxx throws where the request finds no server; then there is no statement to end either.
void DatabaseSession::cancel() noexcept {
  try {
    connection_->cancel_query();
  } catch (const std::exception&) {
  }
}

}  // namespace pgtide
