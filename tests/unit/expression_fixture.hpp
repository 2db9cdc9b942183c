#pragma once
#include <string>
#include <string_view>
#include <variant>

#include "model/json_row.hpp"
#include "rules/expression.hpp"
#include "rules/predicate.hpp"

// Expressions in one line, and what comes of them as one text.
namespace pgtide::test {

inline std::string said(const std::vector<ExpressionFault>& faults) {
  std::string out;
  for (const ExpressionFault& fault : faults) {
    if (!out.empty()) out += "\n";
    out += std::to_string(fault.offset) + ": " + fault.message;
  }
  return out;
}

struct Parsed {
  std::shared_ptr<const Expression> expression{};
  std::string faults{};
};

inline Parsed parsed(std::string_view text, const ExpressionLimits& limits = {}) {
  auto result = Expression::parse(text, limits);
  if (auto* faults = std::get_if<std::vector<ExpressionFault>>(&result)) return {{}, said(*faults)};
  return {std::get<0>(result), {}};
}

// A table with a column of each kind, and a row in it.
inline RecordShape every_kind() {
  using enum ColumnKind;
  RecordShape shape;
  shape.columns = {
      {"id", {number, json, "bigint"}},     {"author_id", {number, json, "bigint"}},
      {"price", {number, json, "numeric"}}, {"title", {text, json, "text"}},
      {"note", {text, json, "text"}},       {"open", {boolean, json, "boolean"}},
      {"flag", {boolean, json, "boolean"}}, {"at", {timestamp, json, "timestamp with time zone"}},
      {"d", {day, json, "date"}},           {"tags", {list, text, "text[]"}},
      {"days", {list, day, "date[]"}},      {"numbers", {list, number, "bigint[]"}},
      {"doc", {json, json, "jsonb"}},       {"late", {number, json, "integer"}},
  };
  return shape;
}

// NULLs: note, flag. Absent, as in a row from before the column was added: late.
inline constexpr std::string_view every_kind_row =
    R"({"id":7,"author_id":42,"price":1.50,"title":"Hi there","note":null,"open":true,"flag":null,)"
    R"("at":"2026-11-23T10:15:30.5+00:00","d":"2026-11-23","tags":["a","b",null],)"
    R"("days":["2026-11-23"],"numbers":[1,2.0,null,"NaN"],)"
    R"("doc":{"k":1,"n":null,"list":[1,"x",[2]],"sub":{"deep":"v","\u0071":true},"é":"ü"}})";

inline Principal ada() {
  return {"42",
          {"admin", "editor"},
          R"({"team":"red","level":3,"none":null,"tags":["a"],"m":{"x":1}})"};
}

// What an expression is for ada and the row above: "true", "false" or "error".
inline std::string decided(std::string_view text, std::string_view json = every_kind_row) {
  const auto row = Row::parse(json);
  const RecordShape shape = every_kind();
  const Principal user = ada();
  const RecordView record{&*row, &shape};
  const auto holds = [&](const std::string& rule) {
    const Parsed result = parsed(rule);
    if (!result.expression) return result.faults;
    return std::string(Predicate::specialize(*result.expression, &user)->holds(record) ? "yes"
                                                                                       : "");
  };
  const std::string whole = "(" + std::string(text) + ")";
  const std::string yes = holds(whole + " == true");
  if (!yes.empty()) return yes == "yes" ? "true" : yes;
  return holds(whole + " == false").empty() ? "error" : "false";
}

}  // namespace pgtide::test
