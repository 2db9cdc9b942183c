#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bridge/machine_memory.hpp"
#include "bridge/resource_figures.hpp"
#include "capture/inspection.hpp"
#include "cli/bound_rules.hpp"
#include "cli/commands.hpp"
#include "cli/status_report.hpp"
#include "cli/terminal.hpp"
#include "model/wording.hpp"

// Looks at all that a bridge stands on, the database and this machine, as it is now, and says of
// each what is well and what is to be done. It looks on where one look fails: a person who asks
// wants to know everything at once.
namespace pgtide {
namespace {

using Json = nlohmann::ordered_json;

constexpr int oldest_server = 130'000;
constexpr std::int64_t spare_connections = 5;
constexpr std::chrono::seconds long_transaction{300};
constexpr std::chrono::seconds clock_difference_max{1};
constexpr std::size_t own_descriptors = 64;  // beside the connections
constexpr int listen_queue_min = 1'024;

// `well`: nothing is to be done. `note`: so, but good to know.
enum class Verdict { well, note, mend };
struct Finding {
  Verdict verdict = Verdict::well;
  std::string subject{};
  std::string text{};
};

class Examination {
 public:
  void well(const std::string& subject, const std::string& text) {
    findings_.push_back({Verdict::well, subject, text});
  }
  void note(const std::string& subject, const std::string& text) {
    findings_.push_back({Verdict::note, subject, text});
  }
  void mend(const std::string& subject, const std::string& text) {
    findings_.push_back({Verdict::mend, subject, text});
  }
  const std::vector<Finding>& findings() const { return findings_; }
  bool finds_fault() const {
    for (const Finding& finding : findings_) {
      if (finding.verdict == Verdict::mend) return true;
    }
    return false;
  }

 private:
  std::vector<Finding> findings_{};
};

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string in_units(std::chrono::microseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(time.count()) / 1'000);
  return text;
}

std::string in_megabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", bytes / 1'048'576);
  return text;
}

void examine_rules(Examination& all, const SettingSources& sources) {
  const BoundRules bound = check_all(sources);
  for (const std::string& problem : bound.problems) all.mend("settings", problem);
  if (bound.problems.empty()) all.well("settings", "configuration and rules are valid");
}

void examine_clock(Examination& all, const DatabaseFacts& facts) {
  const auto ahead = facts.clock_ahead;
  const auto apart = std::chrono::abs(ahead);
  if (apart < clock_difference_max + facts.answer_time) {
    return all.well("clock", "the server's and this machine's are " + in_units(apart) + " apart");
  }
  all.mend("clock", "the server's is " + in_units(apart) +
                        (ahead.count() > 0 ? " ahead of" : " behind") +
                        " this machine's: latency figures and the ends of tokens are off by it; "
                        "let both follow a time server");
}

void examine_transactions(Examination& all, const DatabaseFacts& facts) {
  if (facts.oldest_transaction > long_transaction) {
    return all.mend("transactions", facts.oldest_transaction_of + " has one open for " +
                                        std::to_string(facts.oldest_transaction.count()) +
                                        " s: the log cannot be emptied past it; end it");
  }
  if (!facts.sees_all) {
    return all.note("transactions", "none that role " + facts.role + " sees is open for long; to "
                                    "see those of other roles: GRANT pg_read_all_stats TO " +
                                    facts.grantee + ";");
  }
  all.well("transactions", "none is open for long");
}

// A database that is dropped takes along what is in it, not the role of its capture functions.
void examine_left_roles(Examination& all, const DatabaseFacts& facts) {
  constexpr std::size_t shown_max = 10;
  std::string names;
  for (std::size_t n = 0; n < facts.left_roles.size() && n < shown_max; ++n)
    names += (n == 0 ? "" : ", ") + facts.left_roles[n];
  if (names.empty()) return;
  all.note("roles", std::to_string(facts.left_roles.size()) +
                        " of databases that no longer exist; run: DROP ROLE " + names + ";");
}

// SERIALIZABLE writers look into the log, which the server remembers; docs/capture.md says when.
void examine_predicate_locks(Examination& all, const DatabaseFacts& facts) {
  if (facts.predicate_locks_on_log == 0) return;
  const std::string held = "SERIALIZABLE transactions hold " +
                           std::to_string(facts.predicate_locks_on_log) +
                           " predicate locks on the log, " + std::to_string(facts.predicate_locks) +
                           " in all, of some " + std::to_string(facts.predicate_locks_max);
  const std::string raise = "raise max_pred_locks_per_transaction (is " +
                            std::to_string(facts.predicate_locks_setting) + ", needs a restart)";
  if (facts.predicate_locks > facts.predicate_locks_max / 2)
    return all.mend("predicate locks", held + ": without room for more writers fail (53200); " +
                                           raise + ", or end the SERIALIZABLE transaction that is "
                                           "open for longest");
  all.note("predicate locks", held + "; where writers fail with 53200, " + raise);
}

// False where nothing more can be asked of it.
bool examine_server(Examination& all, const Config& config) {
  const auto facts = read_facts(config.database.url);
  if (!facts) {
    all.mend("database", facts.error().to_string());
    return false;
  }
  all.well("database", "PostgreSQL " + facts->version + ", answers in " +
                           in_units(facts->answer_time));
  if (facts->version_number < oldest_server) {
    all.mend("database", "pgtide needs PostgreSQL 13 or later; upgrade the server");
  }
  examine_clock(all, *facts);
  const std::string used = std::to_string(facts->connections) + " of " +
                           std::to_string(facts->connections_max) + " connections";
  if (facts->connections_max - facts->connections < spare_connections) {
    all.mend("connections", used + " are taken; end sessions there, or raise max_connections");
  } else {
    all.well("connections", used + " are taken");
  }
  examine_transactions(all, *facts);
  examine_predicate_locks(all, *facts);
  examine_left_roles(all, *facts);
  if (facts->prepares_transactions) {
    all.note("wake-up", "max_prepared_transactions is not 0, so the bridge polls instead of being "
                        "woken (database.wake_up)");
  }
  return true;
}

void examine_leader(Examination& all, const Json& status, const Config& config) {
  const Json& leader = status["leader"];
  if (leader.is_null()) {
    return all.note("leader", "no bridge runs on this database; start one with: pgtide run");
  }
  const auto stalled = is_stalled(config.database.url);
  if (stalled && *stalled)
    return all.mend("leader", std::string(stalled_text) + "; " + stalled_mend);
  all.well("leader", "backend " + text_of(leader["pid"]) + " since " + text_of(leader["since"]) +
                         ", followers: " + text_of(status["followers"]));
}

void examine_log(Examination& all, const std::string& report, const Config& config) {
  if (const auto fault = find_log_fault(report, config.resume.log_bytes))
    return all.mend("log", fault->wrong + "; " + fault->mend);
  const Json bytes = Json::parse(report)["log_bytes"];
  all.well("log", in_megabytes(bytes.is_number() ? bytes.get<double>() : 0) + " of " +
                      in_megabytes(static_cast<double>(config.resume.log_bytes)));
}

void examine_tables(Examination& all, const Json& status) {
  std::size_t faults = 0;
  for (const Json& collection : status["collections"]) {
    if (collection["wrong"].is_null()) continue;
    ++faults;
    all.mend("table " + text_of(collection["name"]),
             text_of(collection["wrong"]) + "; run: " + text_of(collection["mend"]));
  }
  for (const Json& fault : status["faults"]) {
    all.mend("database", text_of(fault["wrong"]) + "; " + text_of(fault["mend"]));
  }
  const std::size_t count = status["collections"].size();
  if (count == 0) return all.note("tables", "none is watched; run: pgtide watch TABLE");
  if (faults == 0) {
    all.well("tables",
             std::to_string(count) + " watched, with their triggers and keys as they were");
  }
}

void examine_schema(Examination& all, const Config& config) {
  const auto text = read_status_report(config.database.url);
  if (!text) return all.mend("schema", text.error().to_string());
  const Json status = Json::parse(*text);
  all.well("schema", "version " + text_of(status["schema_version"]) + ", belongs to role " +
                         text_of(status["owner"]));
  examine_leader(all, status, config);
  examine_log(all, *text, config);
  examine_tables(all, status);
}

// Past half of the machine its other half, and what the account does not see, may not be enough.
void examine_memory(Examination& all, const Config& config) {
  const std::size_t machine = read_machine_memory();
  if (machine == 0) return all.note("memory", "how much there is cannot be read here; set "
                                              "limits.memory_bytes");
  const std::size_t limit = memory_limit(config.limits.memory_bytes, machine);
  const std::string share = "clients may make a bridge hold " +
                            in_megabytes(static_cast<double>(limit)) + " of " +
                            in_megabytes(static_cast<double>(machine));
  if (limit > machine / 2) {
    return all.mend("memory", share + ", more than half: the system may end it; lower "
                              "limits.memory_bytes");
  }
  all.well("memory", share);
}

void examine_machine(Examination& all, const Config& config) {
  examine_memory(all, config);
  const std::size_t wanted = config.limits.connections + own_descriptors;
  if (const std::uint64_t limit = read_resource_figures().max_fds; limit > 0) {
    const std::string open = std::to_string(limit) + " file descriptors";
    if (limit < wanted) {
      all.mend("descriptors", open + " may be opened, limits.connections needs " +
                                  std::to_string(wanted) + "; raise LimitNOFILE (ulimit -n), or "
                                  "lower limits.connections");
    } else {
      all.well("descriptors", open + " may be opened, " + std::to_string(wanted) + " are needed");
    }
  }
  int queue = 0;
  if (!(std::ifstream("/proc/sys/net/core/somaxconn") >> queue)) return;
  if (queue < listen_queue_min) {
    all.mend("somaxconn", "the kernel lets " + std::to_string(queue) +
                              " connections wait to be accepted, so that clients that come back "
                              "at once are turned away; run: sysctl -w net.core.somaxconn=4096");
  } else {
    all.well("somaxconn", std::to_string(queue) + " connections may wait to be accepted");
  }
}

const char* word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::well: return "ok";
    case Verdict::note: return "note";
    case Verdict::mend: return "mend";
  }
  return "";
}

void print(const Examination& all) {
  for (const Finding& finding : all.findings()) {
    const Colour colour = finding.verdict == Verdict::well   ? Colour::green
                          : finding.verdict == Verdict::note ? Colour::yellow
                                                             : Colour::red;
    char head[64];
    std::snprintf(head, sizeof head, "%-5s", word_of(finding.verdict));
    std::printf("%s %-13s %s\n", coloured(colour, head).c_str(), one_line(finding.subject).c_str(),
                one_line(finding.text).c_str());
  }
}

void print_json(const Examination& all) {
  Json findings = Json::array();
  for (const Finding& finding : all.findings()) {
    findings.push_back({{"verdict", word_of(finding.verdict)},
                        {"subject", finding.subject},
                        {"text", finding.text}});
  }
  const Json answer{{"well", !all.finds_fault()}, {"findings", findings}};
  std::printf("%s\n", answer.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

int doctor_command(const SettingSources& sources, bool as_json) {
  std::vector<std::string> warnings;
  const auto config = load_settings(sources, &warnings);
  if (!config) return report_settings_fault(config.error());
  Examination all;
  for (const std::string& warning : warnings) all.mend("settings", warning);
  if (examine_server(all, *config)) {
    examine_rules(all, sources);
    examine_schema(all, *config);
  }
  examine_machine(all, *config);
  if (as_json) {
    print_json(all);
  } else {
    print(all);
  }
  return all.finds_fault() ? exit_failure : exit_fine;
}

}  // namespace pgtide
