#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/settings.hpp"

// The subcommands (PROTOCOL 6). Each returns the program's exit code and has printed what there is
// to say.
namespace pgtide {

int run_command(const SettingSources& sources);

struct InstallCommand {
  bool force = false;
  bool logged_sequences = false;  // the way of PostgreSQL 13 and 14
  std::string owner{};
};
int install_command(const SettingSources& sources, const InstallCommand& command);
int uninstall_command(const SettingSources& sources);

struct WatchCommand {
  std::string table{};
  std::optional<std::string> collection{};
  std::vector<std::string> key{};
  bool ignore_rls = false;
  bool without_old_rows = false;
};
int watch_command(const SettingSources& sources, const WatchCommand& command);
int unwatch_command(const SettingSources& sources, const std::string& table);
// `collection` empty: all of them.
int acknowledge_command(const SettingSources& sources, const std::string& collection);

// Where a bridge leads and makes no ticks.
inline constexpr const char* stalled_text =
    "the bridge that leads makes no ticks: the log has newer changes, and no client gets them";
inline constexpr const char* stalled_mend =
    "see its log and what its backend waits for in pg_stat_activity; or restart it, and another "
    "one leads";

int status_command(const SettingSources& sources, bool json);
int check_command(const SettingSources& sources, bool json);
int doctor_command(const SettingSources& sources, bool json);

struct ExplainCommand {
  std::string user{};  // JSON; empty: anonymous
  std::string pattern{};
  bool json = false;
};
int explain_command(const SettingSources& sources, const ExplainCommand& command);
int rules_test_command(const SettingSources& sources, const std::string& file, bool json);

struct TailCommand {
  std::vector<std::string> patterns{};
  std::string url{};  // empty: where the configuration says that the bridge listens
  std::string token{};  // empty: anonymous
  bool json = false;
};
int tail_command(const SettingSources& sources, const TailCommand& command);

struct BroadcastCommand {
  std::string collection{};  // empty: to everyone
  std::string json{};
};
int broadcast_command(const SettingSources& sources, const BroadcastCommand& command);

struct TokenCommand {
  std::string user{};
  std::vector<std::string> roles{};
  std::string expires = "1h";
  std::vector<std::string> claims{};  // "name=JSON"
};
int token_command(const SettingSources& sources, const TokenCommand& command);

// The bridge whose administrator speaks.
struct BridgeAccess {
  std::string url{};    // "http://host:port"; empty: where the configuration says that it listens
  std::string token{};  // empty: anonymous
};
struct ConnectionsCommand {
  BridgeAccess bridge{};
  std::string user{};  // empty: everybody's
  bool json = false;   // an object per line
};
int connections_command(const SettingSources& sources, const ConnectionsCommand& command);

// One of the two is given.
struct KickCommand {
  BridgeAccess bridge{};
  std::string id{};
  std::string user{};
};
int kick_command(const SettingSources& sources, const KickCommand& command);

struct TopCommand {
  BridgeAccess bridge{};
  std::chrono::milliseconds interval{2'000};  // between two looks
  bool once = false;  // one screen, and no more
};
int top_command(const SettingSources& sources, const TopCommand& command);

int demo_command(const SettingSources& sources);

}  // namespace pgtide
