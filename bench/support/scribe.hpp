#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "support/sql.hpp"

namespace pgtide::bench {

// Writes one numbered stream at a steady rate, a transaction per number, from a thread of its own.
// A server that goes away is waited for; whether the transaction that it took along was committed,
// a table tells (`written`), and so no number is written twice or left out.
class Scribe {
 public:
  struct Stream {
    unsigned number = 0;  // of the stream, in `written`
    std::function<std::string(std::uint64_t)> change{};  // the statement that writes this number
    double per_second = 1;
  };

  static void make_table(const std::string& url, unsigned streams);

  Scribe(std::string url, Stream stream);
  ~Scribe();  // stops
  Scribe(const Scribe&) = delete;
  Scribe& operator=(const Scribe&) = delete;

  // Returns when the number that was begun is committed.
  void stop();
  std::uint64_t begun() const { return begun_; }
  std::uint64_t interruptions() const { return interruptions_; }

 private:
  void end();
  void write();
  bool write_one(std::uint64_t number);  // false: the server did not come back

  const std::string url_;
  const Stream stream_;
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> interruptions_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> failed_ = false;
  std::unique_ptr<Sql> sql_;  // of the thread
  std::thread thread_;
};

}  // namespace pgtide::bench
