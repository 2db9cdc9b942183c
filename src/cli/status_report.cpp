#include "cli/status_report.hpp"

#include <nlohmann/json.hpp>

#include "capture/inspection.hpp"
#include "capture/log_bound.hpp"

namespace pgtide {
namespace {

using nlohmann::json;

enum class Kind { any, flag, array, object_or_null };
struct Part {
  const char* name;
  Kind kind = Kind::any;
};

bool fits(const json& value, Kind kind) {
  switch (kind) {
    case Kind::any: return true;
    case Kind::flag: return value.is_boolean();
    case Kind::array: return value.is_array();
    case Kind::object_or_null: return value.is_object() || value.is_null();
  }
  return false;
}

// The first part that is missing or of another kind, with its place; empty: all are well.
template <std::size_t count>
std::string find_misfit(const json& value, const char* place, const Part (&parts)[count]) {
  if (!value.is_object()) return place;
  for (const Part& part : parts) {
    const auto found = value.find(part.name);
    if (found == value.end() || !fits(*found, part.kind))
      return std::string(place) + "." + part.name;
  }
  return {};
}

std::string find_misfit(const json& status) {
  static constexpr Part top[] = {{"schema_version"},
                                 {"owner"},
                                 {"log_bytes"},
                                 {"log_held"},
                                 {"log_moves", Kind::flag},
                                 {"followers"},
                                 {"last_tick", Kind::object_or_null},
                                 {"leader", Kind::object_or_null},
                                 {"collections", Kind::array},
                                 {"faults", Kind::array}};
  static constexpr Part tick[] = {{"number"}, {"at"}};
  static constexpr Part leader[] = {{"pid"}, {"since"}};
  static constexpr Part collection[] = {{"name"},  {"table"}, {"key"},
                                        {"wrong"}, {"mend"},  {"old_rows", Kind::flag}};
  static constexpr Part fault[] = {{"wrong"}, {"mend"}};
  std::string misfit = find_misfit(status, "status", top);
  if (misfit.empty() && !status["last_tick"].is_null())
    misfit = find_misfit(status["last_tick"], "status.last_tick", tick);
  if (misfit.empty() && !status["leader"].is_null())
    misfit = find_misfit(status["leader"], "status.leader", leader);
  if (!misfit.empty()) return misfit;
  for (const json& one : status["collections"]) {
    misfit = find_misfit(one, "status.collections[]", collection);
    if (!misfit.empty()) return misfit;
  }
  for (const json& one : status["faults"]) {
    misfit = find_misfit(one, "status.faults[]", fault);
    if (!misfit.empty()) return misfit;
  }
  return {};
}

}  // namespace

Result<std::string> checked_status_report(std::string text) {
  const json status = json::parse(text, nullptr, false);
  const std::string misfit = status.is_discarded() ? "status" : find_misfit(status);
  if (misfit.empty()) return text;
  return Error{ErrorKind::internal,
               "pgtide.status() does not return what it should (" + misfit +
                   " is missing or of another type): the function was altered; "
                   "run: pgtide install"};
}

std::optional<LogFault> find_log_fault(const std::string& report, std::uint64_t bound) {
  const json status = json::parse(report);
  const json& held = status["log_held"];
  const json& size = status["log_bytes"];
  const auto bytes = static_cast<std::uint64_t>(size.is_number() ? size.get<double>() : 0);
  if (!is_past_bound(bytes, bound) || status["log_moves"] == true) return std::nullopt;
  return LogFault{past_bound_text(bytes, bound),
                  held.is_string() ? held.get<std::string>() : past_bound_mend};
}

Result<std::string> read_status_report(const std::string& url) {
  auto text = read_status(url);
  if (!text) return text;
  return checked_status_report(std::move(*text));
}

}  // namespace pgtide
