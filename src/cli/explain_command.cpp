#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/bound_rules.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/user_text.hpp"
#include "model/wording.hpp"
#include "rules/explanation.hpp"

namespace pgtide {
namespace {

using Json = nlohmann::ordered_json;

// What is explained, and of which rules file.
struct Question {
  std::string file{};
  std::string pattern{};
  std::optional<Principal> user{};
  Explanation answer{};
};

std::string place_text(const Question& question, SourcePlace place) {
  if (place.line == 0) return {};
  return question.file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

// "text (rules.yaml:4:16)".
std::string with_place(const Question& question, const Reason& reason) {
  const std::string place = place_text(question, reason.place);
  return place.empty() ? reason.text : reason.text + " (" + place + ")";
}

void print_line(const char* label, const std::string& text) {
  std::printf("%-11s%s\n", label, one_line(text).c_str());
}

std::string user_text(const std::optional<Principal>& user) {
  if (!user) return "anonymous";
  std::string roles;
  for (const std::string& role : user->roles) roles += (roles.empty() ? "" : ", ") + role;
  return user->id + (roles.empty() ? "" : ", roles " + roles) +
         (user->claims == "{}" ? "" : ", claims " + user->claims);
}

// Those that no line of the file speaks of in one line, each of the others in a line of its own.
void print_columns(const Question& question, const ExplainedCollection& collection, bool visible) {
  std::vector<std::string> lines;
  std::string plain;
  if (!collection.watched && collection.other_columns == visible) {
    plain = collection.columns.empty() ? "whatever an event's data holds"
                                       : "all of an event's data that is not named here";
  }
  for (const ExplainedColumn& column : collection.columns) {
    if (column.visible != visible) continue;
    if (!column.reason.text.empty()) {
      lines.push_back(column.name + " by " + with_place(question, column.reason));
    } else {
      plain += (plain.empty() ? "" : ", ") + column.name;
    }
  }
  if (!plain.empty()) lines.insert(lines.begin(), plain);
  const char* label = visible ? "columns" : "hidden";
  for (const std::string& line : lines) print_line(std::exchange(label, ""), line);
}

void print_collection(const Question& question, const ExplainedCollection& collection) {
  if (!collection.open) {
    print_line("closed", "nothing is sent; its rules and the database contradict each other");
    return;
  }
  print_line("rows", collection.rows);
  const Reason& where = collection.where;
  if (!where.text.empty()) print_line("", "by " + with_place(question, where));
  print_columns(question, collection, true);
  print_columns(question, collection, false);
}

void print_question(const Question& question) {
  const Explanation& answer = question.answer;
  print_line("user", user_text(question.user));
  print_line("pattern", question.pattern);
  print_line("subscribe", std::string(answer.allowed ? "allowed by " : "denied, since ") +
                              with_place(question, answer.decision));
  const bool everything = question.pattern == "*";
  if (everything && answer.allowed) print_line("rows", "`where` does not narrow *; `hide` holds");
  for (const ExplainedCollection& collection : answer.collections) {
    if (everything) std::printf("\n%s\n", coloured(Colour::bold, collection.name).c_str());
    print_collection(question, collection);
  }
}

Json json_of(const Question& question, const Reason& reason) {
  Json json{{"rule", reason.text}, {"place", nullptr}};
  if (reason.place.line > 0) json["place"] = place_text(question, reason.place);
  return json;
}

Json json_of(const Question& question, const ExplainedCollection& collection) {
  Json json{{"name", collection.name},
            {"open", collection.open},
            {"listed", collection.listed},
            {"watched", collection.watched}};
  if (!collection.open) return json;
  json["rows"] = collection.rows;
  json["where"] = collection.where.text.empty() ? Json() : json_of(question, collection.where);
  json["columns"] = Json::array();
  json["hidden"] = Json::array();
  json["reasons"] = Json::object();
  for (const ExplainedColumn& column : collection.columns) {
    json[column.visible ? "columns" : "hidden"].push_back(column.name);
    if (column.reason.text.empty()) continue;
    json["reasons"][column.name] = json_of(question, column.reason);
  }
  if (!collection.watched) json["other_columns"] = collection.other_columns;
  return json;
}

Json json_of(const Question& question, const std::vector<std::string>& problems) {
  Json json{{"pattern", question.pattern}, {"user", nullptr}};
  if (question.user) {
    json["user"] = {{"id", question.user->id}, {"roles", question.user->roles}};
  }
  json["allowed"] = question.answer.allowed;
  json["decision"] = json_of(question, question.answer.decision);
  json["collections"] = Json::array();
  for (const ExplainedCollection& collection : question.answer.collections) {
    json["collections"].push_back(json_of(question, collection));
  }
  json["problems"] = problems;
  return json;
}

void print_json(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

int report_problems(const BoundRules& bound, bool json) {
  if (json) {
    print_json({{"problems", bound.problems}});
  } else {
    print_problems(bound.problems);
  }
  return bound.exit_code;
}

}  // namespace

int explain_command(const SettingSources& sources, const ExplainCommand& command) {
  Question question{.pattern = command.pattern};
  const auto pattern = parse_pattern(command.pattern);
  if (!pattern) return report_settings_fault(pattern.error());
  if (!command.user.empty()) {
    const auto user = parse_user(command.user);
    if (const auto* faults = std::get_if<1>(&user)) {
      BoundRules refused{.exit_code = exit_usage};
      add_lines(refused.problems, to_string("--user", *faults));
      return report_problems(refused, command.json);
    }
    question.user = std::get<0>(user);
  }
  const BoundRules bound = bind_rules(sources);
  if (bound.policy == nullptr) return report_problems(bound, command.json);
  question.file = bound.policy->rules().file;
  question.answer = explain(*bound.policy, question.user ? &*question.user : nullptr, *pattern);
  if (command.json) {
    print_json(json_of(question, bound.problems));
    return bound.exit_code;
  }
  print_question(question);
  print_problems(bound.problems);
  return bound.exit_code;
}

}  // namespace pgtide
