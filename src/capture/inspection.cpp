#include "capture/inspection.hpp"

#include "capture/catalog_loader.hpp"
#include "capture/connection_string.hpp"
#include "capture/fault.hpp"
#include "capture/database_session.hpp"

namespace pgtide {

Result<std::string> read_status(const std::string& url) {
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    return session.run("select pgtide.status()")[0][0].as<std::string>();
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
        "current_setting('max_connections'), current_setting('max_prepared_transactions')")[0];
    const auto oldest = session.run(
        "select extract(epoch from clock_timestamp() - xact_start)::bigint, pid, "
        "application_name from pg_stat_activity where datname = current_database() "
        "and xact_start is not null and pid <> pg_backend_pid() order by xact_start limit 1");
    DatabaseFacts facts;
    facts.version = text_of(row[0]);
    facts.version_number = static_cast<int>(integer_of(row[1]));
    facts.answer_time = answered - asked;
    facts.clock_ahead = microseconds(integer_of(clock[0])) - (asked + facts.answer_time / 2);
    facts.connections = integer_of(row[2]);
    facts.connections_max = integer_of(row[3]);
    facts.prepares_transactions = text_of(row[4]) != "0";
    if (!oldest.empty()) {
      facts.oldest_transaction = std::chrono::seconds(integer_of(oldest[0][0]));
      facts.oldest_transaction_of = "process " + std::string(text_of(oldest[0][1])) + " (" +
                                    std::string(text_of(oldest[0][2])) + ")";
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
    return CatalogLoader{}.load(session, listed_tables);
  } catch (...) {
    return current_failure();
  }
}

}  // namespace pgtide
