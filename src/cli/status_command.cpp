#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "capture/inspection.hpp"
#include "cli/bound_rules.hpp"
#include "cli/commands.hpp"
#include "cli/status_report.hpp"
#include "cli/terminal.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {


std::string text_of(const nlohmann::json& value) {
  if (value.is_null()) return "-";
  return one_line(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string size_of(const nlohmann::json& bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  double amount = bytes.is_number() ? bytes.get<double>() : 0;
  std::size_t unit = 0;
  for (; amount >= 1024 && unit < 4; ++unit) amount /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text;
}

std::string leader_of(const nlohmann::json& status) {
  const nlohmann::json& leader = status["leader"];
  if (leader.is_null()) return "none: no bridge is running; start one with: pgtide run";
  const std::string followers = text_of(status["followers"]);
  return "backend " + text_of(leader["pid"]) + " since " + text_of(leader["since"]) + ", " +
         followers + (followers == "1" ? " follower" : " followers");
}

void print_wrong(const nlohmann::json& wrong) {
  std::printf("    %s\n", coloured(Colour::red, text_of(wrong)).c_str());
}

void print_mend(const std::string& mend) { std::printf("    mend: %s\n", mend.c_str()); }

// Those with the same mend as one: a dump that was restored has hundreds, and all that is to be
// done is one command.
void print_faults(const nlohmann::json& faults) {
  constexpr std::size_t shown_max = 5;
  std::vector<std::string> mends;
  std::map<std::string, std::vector<nlohmann::json>> wrong;
  for (const nlohmann::json& fault : faults) {
    const std::string mend = text_of(fault["mend"]);
    if (wrong[mend].empty()) mends.push_back(mend);
    wrong[mend].push_back(fault["wrong"]);
  }
  for (const std::string& mend : mends) {
    const auto& all = wrong[mend];
    const std::size_t shown = std::min(all.size(), shown_max);
    std::for_each_n(all.begin(), shown, print_wrong);
    if (shown < all.size())
      std::printf("    and %zu more: pgtide status --json\n", all.size() - shown);
    print_mend(mend);
  }
}

void print_collection(const nlohmann::json& collection) {
  const bool well = collection["wrong"].is_null();
  std::printf("  %s %s  table %s  key %s%s\n",
              well ? coloured(Colour::green, "ok   ").c_str()
                   : coloured(Colour::red, "wrong").c_str(),
              coloured(Colour::bold, text_of(collection["name"])).c_str(),
              text_of(collection["table"]).c_str(), text_of(collection["key"]).c_str(),
              collection["old_rows"].get<bool>() ? "" : "  without old rows");
  if (well) return;
  print_wrong(collection["wrong"]);
  print_mend(text_of(collection["mend"]));
}

// No log table that was left after it began is emptied before it ends.
std::string oldest_text(const Result<DatabaseFacts>& facts) {
  if (!facts) return "unknown: " + facts.error().to_string();
  if (!facts->oldest_transaction_of.empty()) {
    return facts->oldest_transaction_of + ", a transaction open for " +
           std::to_string(facts->oldest_transaction.count()) + " s";
  }
  if (facts->sees_all) return "no transaction that writes is open";
  return "none that role " + facts->role + " sees; to see those of other roles: GRANT "
         "pg_read_all_stats TO " + facts->grantee + ";";
}

void print_status(const nlohmann::json& status, const std::string& oldest) {
  std::printf("schema     version %s, owner %s\n", text_of(status["schema_version"]).c_str(),
              text_of(status["owner"]).c_str());
  const nlohmann::json& tick = status["last_tick"];
  const std::string last =
      tick.is_null() ? "none yet" : text_of(tick["number"]) + " at " + text_of(tick["at"]);
  std::printf("last tick  %s\n", last.c_str());
  std::printf("log        %s\n", size_of(status["log_bytes"]).c_str());
  std::printf("leader     %s\n", leader_of(status).c_str());
  std::printf("oldest     %s\n", one_line(oldest).c_str());
  std::printf("watched    %zu\n", status["collections"].size());
  for (const nlohmann::json& collection : status["collections"]) print_collection(collection);
  print_faults(status["faults"]);
}

nlohmann::json oldest_json(const Result<DatabaseFacts>& facts) {
  if (!facts || facts->oldest_transaction_of.empty()) return nullptr;
  return {{"of", facts->oldest_transaction_of}, {"seconds", facts->oldest_transaction.count()}};
}

// What closes collections that the rules list. A configuration or a database that cannot be read
// has been told already.
std::vector<std::string> find_closing(const SettingSources& sources) {
  BoundRules bound = bind_rules(sources);
  const bool told = bound.policy == nullptr && bound.exit_code != exit_usage;
  return told ? std::vector<std::string>{} : std::move(bound.problems);
}

void print_closing(const std::vector<std::string>& problems) {
  if (problems.empty()) return;
  std::printf("rules      closed, until this is mended:\n");
  for (const std::string& problem : problems) {
    std::printf("    %s\n", coloured(Colour::red, one_line(problem)).c_str());
  }
}

bool is_wrong(const nlohmann::json& status) {
  for (const nlohmann::json& collection : status["collections"]) {
    if (!collection["wrong"].is_null()) return true;
  }
  return !status["faults"].empty();
}

}  // namespace

int status_command(const SettingSources& sources, bool as_json) {
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  const auto text = read_status_report(config->database.url);
  if (!text) return report_failure(text.error());
  nlohmann::json status = nlohmann::json::parse(*text);
  const auto facts = read_facts(config->database.url);
  status["oldest_transaction"] = oldest_json(facts);
  const auto stalled = is_stalled(config->database.url);
  if (stalled && *stalled)
    status["faults"].push_back({{"wrong", stalled_text}, {"mend", stalled_mend}});
  if (const auto fault = find_log_fault(*text, config->resume.log_bytes))
    status["faults"].push_back({{"wrong", fault->wrong}, {"mend", fault->mend}});
  const std::vector<std::string> closing = find_closing(sources);
  if (as_json) {
    status["rules"] = {{"problems", closing}};
    constexpr auto on_bad_bytes = nlohmann::json::error_handler_t::replace;
    std::printf("%s\n", status.dump(2, ' ', false, on_bad_bytes).c_str());
  } else {
    print_status(status, oldest_text(facts));
    print_closing(closing);
  }
  return is_wrong(status) || !closing.empty() ? exit_failure : exit_fine;
}

}  // namespace pgtide
