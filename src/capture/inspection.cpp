#include "capture/inspection.hpp"

#include <thread>

#include "capture/catalog_loader.hpp"
#include "capture/connection_string.hpp"
#include "capture/fault.hpp"
#include "capture/database_session.hpp"
#include "capture/position.hpp"

namespace pgtide {
namespace {

// A sleeping leader looks every two seconds.
constexpr int stall_looks_max = 7;
constexpr std::chrono::milliseconds stall_look_gap{500};

// What pgtide.empty_log() waits for: whoever writes, in any database, since snapshots are the
// cluster's; and whoever has a lock on the log itself. One that only reads holds up nobody.
constexpr const char* oldest_transaction_sql =
    "select extract(epoch from clock_timestamp() - since)::bigint, who from ("
    "select xact_start, format('process %s (%s)', pid, quote_literal(left(application_name, 20))) "
    "from pg_stat_activity a "
    "where pid <> pg_backend_pid() and (backend_xid is not null or exists (select from pg_locks l "
    "where l.pid = a.pid and l.granted and l.relation in (to_regclass('pgtide.log0'), "
    "to_regclass('pgtide.log1'), to_regclass('pgtide.log2')) and l.database = "
    "(select oid from pg_database where datname = current_database()))) "
    "union all select prepared, format('prepared transaction %L', gid) from pg_prepared_xacts"
    ") open(since, who) where since is not null order by since limit 1";

constexpr const char* left_roles_sql =
    "select quote_ident(rolname) from pg_roles r where rolname ~ '^pgtide_capture_[0-9]+$' "
    "and not exists (select from pg_database d where r.rolname = 'pgtide_capture_' || d.oid) "
    "order by rolname";

// The server's room for them is shared by all transactions (predicate.c, NPREDICATELOCKTARGETENTS).
constexpr const char* predicate_locks_sql =
    "select count(c.oid), count(*), current_setting('max_pred_locks_per_transaction')::int, "
    "current_setting('max_pred_locks_per_transaction')::bigint * "
    "(current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) "
    "from pg_locks l left join pg_class c on c.oid = l.relation and c.relnamespace = "
    "(select oid from pg_namespace where nspname = 'pgtide') "
    "and l.database = (select oid from pg_database where datname = current_database()) "
    "where l.mode = 'SIReadLock'";

}  // namespace

Result<std::string> read_status(const std::string& url) {
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    require_installed(session);
    return session.run("select pgtide.status()")[0][0].as<std::string>();
  } catch (...) {
    return current_failure();
  }
}

Result<std::string> read_owner(const std::string& url) {
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    const auto found = session.run(
        "select r.rolname from pg_namespace n join pg_roles r on r.oid = n.nspowner "
        "where n.nspname = 'pgtide'");
    if (found.empty())
      throw CaptureFault(ErrorKind::not_found, "there is no pgtide schema; run: pgtide install");
    return std::string(text_of(found[0][0]));
  } catch (...) {
    return current_failure();
  }
}

Result<bool> is_stalled(const std::string& url) {
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    require_installed(session);
    std::string newest;
    for (int look = 0; look < stall_looks_max; ++look) {
      const auto row = session.run(
          "select (select max(n) from pgtide.tick), exists (select from pgtide.bridge where leads) "
          "and pgtide.lacks_tick()")[0];
      const std::string tick(text_of(row[0]));
      if (text_of(row[1]) == "f" || (look > 0 && tick != newest)) return false;
      newest = tick;
      if (look + 1 < stall_looks_max) std::this_thread::sleep_for(stall_look_gap);
    }
    return true;
  } catch (...) {
    return current_failure();
  }
}

Result<DatabaseFacts> read_facts(const std::string& url) {
  using std::chrono::microseconds;
  const auto now = [] {
    return std::chrono::duration_cast<microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
  };
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    const auto asked = now();
    const auto clock =
        session.run("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")[0];
    const auto answered = now();
    const auto row = session.run(
        "select current_setting('server_version'), current_setting('server_version_num'), "
        "(select count(*) from pg_stat_activity where backend_type = 'client backend'), "
        "current_setting('max_connections'), current_setting('max_prepared_transactions'), "
        "pg_has_role('pg_read_all_stats', 'USAGE'), quote_ident(current_user), "
        "quote_ident(coalesce((select o.rolname from pg_namespace n join pg_roles o "
        "on o.oid = n.nspowner where n.nspname = 'pgtide' and not o.rolsuper), current_user))")[0];
    const auto oldest = session.run(oldest_transaction_sql);
    const auto predicates = session.run(predicate_locks_sql)[0];
    const auto left_roles = session.run(left_roles_sql);
    DatabaseFacts facts;
    facts.version = text_of(row[0]);
    facts.version_number = static_cast<int>(integer_of(row[1]));
    facts.answer_time = answered - asked;
    facts.clock_ahead = microseconds(integer_of(clock[0])) - (asked + facts.answer_time / 2);
    facts.connections = integer_of(row[2]);
    facts.connections_max = integer_of(row[3]);
    facts.prepares_transactions = text_of(row[4]) != "0";
    facts.sees_all = text_of(row[5]) == "t";
    facts.role = text_of(row[6]);
    facts.grantee = text_of(row[7]);
    facts.predicate_locks_on_log = integer_of(predicates[0]);
    facts.predicate_locks = integer_of(predicates[1]);
    facts.predicate_locks_setting = static_cast<int>(integer_of(predicates[2]));
    facts.predicate_locks_max = integer_of(predicates[3]);
    for (const auto& left : left_roles) facts.left_roles.emplace_back(text_of(left[0]));
    if (!oldest.empty()) {
      facts.oldest_transaction = std::chrono::seconds(integer_of(oldest[0][0]));
      facts.oldest_transaction_of = text_of(oldest[0][1]);
    }
    return facts;
  } catch (...) {
    return current_failure();
  }
}

Result<std::shared_ptr<const Catalog>> read_catalog(
    const std::string& url, const std::vector<std::string>& listed_tables) {
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    require_schema(session);
    return CatalogLoader{}.load(session, listed_tables);
  } catch (...) {
    return current_failure();
  }
}

}  // namespace pgtide
