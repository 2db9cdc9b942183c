#include "support/bridge_program.hpp"

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include "cluster/child_program.hpp"
#include "gateway/client.hpp"
#include "support/bench.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds start_time_max{20};
constexpr seconds idle_time_max{120};

constexpr const char* log_file = "bridge.log";
constexpr const char* port_file = "bridge.port";

bool comes_true(seconds limit, const std::function<bool()>& holds) {
  const auto deadline = steady_clock::now() + limit;
  while (!holds()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return true;
}

}  // namespace

BridgeProgram::BridgeProgram(const std::string& pgtide, const std::string& database_url,
                             const Folder& folder, const BridgeSetup& setup)
    : folder_(folder) {
  folder.write("rules.yaml", setup.rules);
  folder.write(port_file, "");
  std::vector<std::string> command = {
      pgtide, "run", "--database", database_url, "--server.listen", "127.0.0.1:0",
      "--server.port-file", folder.file(port_file), "--rules", folder.file("rules.yaml")};
  command.insert(command.end(), setup.flags.begin(), setup.flags.end());
  pid_ = start_bound(command, folder, log_file);
  wait_until_ready();
}

BridgeProgram::~BridgeProgram() {
  kill(pid_, SIGTERM);
  wait_for_program(pid_);
}

void BridgeProgram::wait_until_ready() {
  const auto answers = [this] {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      give_up("the bridge ended: " + folder_.read(log_file));
    }
    address_ = folder_.read(port_file);
    while (!address_.empty() && address_.back() == '\n') address_.pop_back();
    if (address_.empty()) return false;
    const auto answer = http_request("GET", "http://" + address_ + "/readyz");
    return answer && answer->status == 200;
  };
  if (!comes_true(start_time_max, answers)) {
    give_up("the bridge does not become ready: " + folder_.read(log_file));
  }
}

double BridgeProgram::metric(const std::string& name) const {
  const HttpAnswer answer = take(http_request("GET", "http://" + address_ + "/metrics"));
  const std::size_t line = answer.body.find("\n" + name + " ");
  if (line == std::string::npos) give_up("/metrics has no " + name);
  return std::strtod(answer.body.c_str() + line + name.size() + 2, nullptr);
}

void BridgeProgram::wait_until_idle() const {
  double seen = -1;
  const auto settled = [&] {
    const double changes = metric("pgtide_changes_total");
    const bool quiet = changes == seen && metric("pgtide_lag_seconds") == 0;
    seen = changes;
    std::this_thread::sleep_for(milliseconds(200));
    return quiet;
  };
  if (!comes_true(idle_time_max, settled)) give_up("the bridge does not catch up");
}

}  // namespace pgtide::bench
