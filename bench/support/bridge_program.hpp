#pragma once
#include <string>
#include <vector>

#include "support/folder.hpp"
#include "support/usage.hpp"

namespace pgtide::bench {

// Rules that let anyone read posts, and shipped settings, unless a bench asks for something else.
struct BridgeSetup {
  std::string rules = "version: 1\nall: public\ncollections:\n  posts:\n    subscribe: public\n";
  std::vector<std::string> flags{};  // of `pgtide run`
};

// The program under test, `pgtide run`: as it is deployed, not a copy linked into the bench.
class BridgeProgram {
 public:
  // Returns when it listens and /readyz says that it follows the database.
  BridgeProgram(const std::string& pgtide, const std::string& database_url, const Folder& folder,
                const BridgeSetup& setup);
  ~BridgeProgram();  // drains it, like SIGTERM
  BridgeProgram(const BridgeProgram&) = delete;
  BridgeProgram& operator=(const BridgeProgram&) = delete;

  const std::string& address() const { return address_; }  // "127.0.0.1:40123"
  Usage usage() const { return usage_of(pid_); }
  pid_t pid() const { return pid_; }
  // A figure of /metrics; gives up where there is none of that name.
  double metric(const std::string& name) const;
  // Waits until no change waits to be read.
  void wait_until_idle() const;

 private:
  void wait_until_ready();

  const Folder& folder_;
  pid_t pid_ = 0;
  std::string address_;
};

}  // namespace pgtide::bench
