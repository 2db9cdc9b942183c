#include "support/scribe.hpp"

#include <algorithm>
#include <chrono>
#include <exception>

#include "support/bench.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds retry_after{100};
constexpr std::chrono::minutes patience{2};
// After a pause so much of the stream is caught up with at once, the rest is left out.
constexpr std::chrono::seconds burst_max{1};

}  // namespace

void Scribe::make_table(const std::string& url, unsigned streams) {
  Sql sql(url);
  sql.run("create table written (stream int primary key, number bigint not null)");
  sql.run("insert into written select n, 0 from generate_series(0, " +
          std::to_string(streams - 1) + ") n");
}

Scribe::Scribe(std::string url, Stream stream)
    : url_(std::move(url)), stream_(std::move(stream)), thread_([this] { write(); }) {}

Scribe::~Scribe() { end(); }

void Scribe::end() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void Scribe::stop() {
  end();
  if (failed_) give_up("PostgreSQL did not come back for a writer");
}

void Scribe::write() {
  const auto pause = std::chrono::duration_cast<steady_clock::duration>(
      std::chrono::duration<double>(1 / stream_.per_second));
  auto due = steady_clock::now();
  while (!stopping_) {
    if (!write_one(++begun_)) {
      failed_ = true;
      return;
    }
    due = std::max(due + pause, steady_clock::now() - burst_max);
    std::this_thread::sleep_until(due);
  }
}

bool Scribe::write_one(std::uint64_t number) {
  const std::string stream = std::to_string(stream_.number);
  // One message of several statements is one transaction.
  const std::string transaction = stream_.change(number) + "; update written set number = " +
                                  std::to_string(number) + " where stream = " + stream;
  const auto deadline = steady_clock::now() + patience;
  while (steady_clock::now() < deadline) {
    try {
      if (sql_ == nullptr) {
        sql_ = std::make_unique<Sql>(url_);
        const std::string last = "select number from written where stream = " + stream;
        if (sql_->number(last) >= static_cast<double>(number)) return true;
      }
      sql_->run(transaction);
      return true;
    } catch (const std::exception&) {
      sql_.reset();
      ++interruptions_;
      std::this_thread::sleep_for(retry_after);
    }
  }
  return false;
}

}  // namespace pgtide::bench
