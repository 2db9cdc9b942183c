#pragma once
#include <libpq-fe.h>

#include <atomic>
#include <map>
#include <pqxx/pqxx>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "integration/capture_recorder.hpp"

namespace pgtide::test {

// Writers that make every kind of trouble, and the account of what the stream must say about them.
//
// Rows of `fact` are inserted once and never touched: the table is the truth, and each of its rows
// is one event. `counter` has few rows that everybody increments: the events of one record count up
// by one, in order, and end at the table's value.
class Ledger {
 public:
  struct Options {
    bool prepares = false;  // some transactions are prepared and finished later
    int writers = 8;
  };
  Ledger(const InstalledDatabase& database, Options options)
      : url_(database.url()), options_(options) {
    Session session = database.session();
    session.run("create table fact (id bigint primary key, note text)");
    session.run("create table counter (id int primary key, n bigint not null)");
    watch_in(database, "fact");
    watch_in(database, "counter");
    session.run("insert into counter select g, 0 from generate_series(1, 5) g");
  }
  ~Ledger() { stop(); }

  void start() {
    for (int i = 0; i < options_.writers; ++i)
      threads_.emplace_back([this, i] { write_all(i); });
    if (options_.prepares) threads_.emplace_back([this] { finish_all(); });
  }
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  long committed() const { return committed_; }

  // What is wrong with the stream; empty: nothing is lost, repeated or out of order.
  static std::string audit(Session& session, const std::vector<Event>& events) {
    std::map<std::string, int> facts;
    std::map<std::string, long> counters;
    long out_of_order = 0;
    long repeated = 0;
    for (const Event& event : events) {
      if (event.collection == "fact" && ++facts[event.record_id] > 1) ++repeated;
      if (event.collection != "counter") continue;
      const long n = std::atol(event.new_row.c_str() + event.new_row.find("\"n\":") + 4);
      long& last = counters[event.record_id];
      if (event.action == Action::create ? n != 0 : n != last + 1) ++out_of_order;
      last = n;
    }
    long lost = 0;
    for (const Row& row : session.run("select id::text from fact"))
      lost += facts.erase(row[0]) == 0 ? 1 : 0;
    for (const Row& row : session.run("select id::text, n::text from counter"))
      lost += counters[row[0]] != std::atol(row[1].c_str()) ? 1 : 0;
    if (lost + repeated + out_of_order + static_cast<long>(facts.size()) == 0) return "";
    return "lost " + std::to_string(lost) + ", repeated " + std::to_string(repeated) +
           ", out of order " + std::to_string(out_of_order) + ", never committed " +
           std::to_string(facts.size());
  }

 private:
  void write_all(int writer) {
    ++writing_;
    std::mt19937 random(static_cast<unsigned>(writer) + 7);
    long next = writer * 100'000'000L;
    while (!stopping_) {
      try {
        pqxx::connection connection(url_);
        while (!stopping_) write_one(connection, writer, random, next);
      } catch (const std::exception&) {
        becomes_true([this] { return stopping_ || PQping(url_.c_str()) == PQPING_OK; });
      }
    }
    --writing_;
  }

  void write_one(pqxx::connection& connection, int writer, std::mt19937& random, long& next) {
    static constexpr const char* levels[] = {"read committed", "repeatable read", "serializable"};
    const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
    pqxx::nontransaction work(connection);
    const std::string gid = "p" + std::to_string(++next);
    try {
      work.exec(std::string("begin isolation level ") + levels[writer % 3]);
      for (unsigned i = 0; i < 1 + random() % 4; ++i) {
        if (chance(20)) work.exec("savepoint s");
        work.exec("insert into fact values (" + std::to_string(++next) + ", repeat('x', " +
                  std::to_string(random() % 300) + "))");
        if (chance(50))
          work.exec("update counter set n = n + 1 where id = " +
                    std::to_string(1 + random() % 5));
        if (chance(15)) work.exec("select pg_sleep(0.01)");
        if (chance(10)) {
          work.exec("savepoint t");
          work.exec("insert into fact values (" + std::to_string(++next) + ", 'gone')");
          work.exec("rollback to t");
        }
      }
      if (chance(10))
        work.exec("rollback");
      else if (options_.prepares && chance(20))
        work.exec("prepare transaction '" + gid + "'; ");
      else
        work.exec("commit");
      ++committed_;
    } catch (const pqxx::broken_connection&) {
      throw;
    } catch (const pqxx::sql_error& error) {
      if (error.sqlstate().empty() || error.sqlstate().starts_with("57P")) throw;
      work.exec("rollback");  // a conflict, or a deadlock
    }
  }

  // Ends what was prepared, most of it by committing, until the writers have ended and none is
  // left: it holds rows of `counter`.
  void finish_all() {
    for (unsigned turn = 0; !stopping_ || writing_ > 0 || left_ > 0; ++turn) {
      try {
        pqxx::connection connection(url_);
        pqxx::nontransaction work(connection);
        const auto found = work.exec("select gid from pg_prepared_xacts");
        left_ = static_cast<long>(found.size());
        for (const auto& row : found)
          work.exec((++turn % 5 == 0 ? "rollback prepared '" : "commit prepared '") +
                    row[0].as<std::string>() + "'");
        work.exec("select pg_sleep(0.01)");
      } catch (const std::exception&) {
        left_ = 1;  // unknown
      }
    }
  }

  std::string url_;
  Options options_;
  std::atomic<bool> stopping_ = false;
  std::atomic<long> committed_ = 0;
  std::atomic<int> writing_ = 0;
  std::atomic<long> left_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace pgtide::test
