#include "rules/call_parser.hpp"

#include <optional>
#include <utility>

#include "model/wording.hpp"
#include "rules/text_pattern.hpp"

namespace pgtide {
namespace {

std::optional<Function> find_function(std::string_view name) {
  for (int n = 0; n <= static_cast<int>(Function::matches); ++n) {
    const auto function = static_cast<Function>(n);
    if (name == word_of(function)) return function;
  }
  return std::nullopt;
}

std::string no_such_function(std::string_view name) {
  if (name == "now") return "there is no now: what a row shows must not change without a change";
  static const std::vector<std::string> known{"has",      "size",      "string",     "int",
                                              "double",   "timestamp", "startsWith", "endsWith",
                                              "contains", "matches"};
  return "there is no function " + quoted(name) + did_you_mean(name, known);
}

std::string example_of(Function function) {
  const std::string word = word_of(function);
  return is_method(function) ? "x." + word + "('text')" : word + "(x)";
}

}  // namespace

void CallParser::fault(std::size_t offset, std::string message) {
  faults_.push_back({offset, std::move(message)});
}

void CallParser::finish_function(Node& call, const Token& name) {
  const auto function = find_function(name.source);
  if (!function) return fault(name.offset, no_such_function(name.source));
  if (is_method(*function)) return fault(name.offset, "write " + example_of(*function));
  finish(call, *function);
}

void CallParser::finish_method(Node& call, const Token& name) {
  const auto function = find_function(name.source);
  if (!function) {
    const std::string mend =
        name.source == "has" ? "write has(x.name)" : no_such_function(name.source);
    return fault(name.offset, mend);
  }
  const bool either = *function == Function::size;  // x.size() and size(x)
  if (!is_method(*function) && !either) {
    return fault(name.offset, "write " + example_of(*function));
  }
  finish(call, *function);
}

void CallParser::finish(Node& call, Function function) {
  const std::size_t wanted = is_method(function) ? 2 : 1;
  if (call.children.size() != wanted) {
    return fault(call.offset, "it takes one argument: write " + example_of(function));
  }
  call.function = function;
  if (function == Function::matches) compile_pattern(call);
}

void CallParser::compile_pattern(Node& call) {
  const Node& pattern = call.child(1);
  if (!pattern.is(NodeKind::constant) || !pattern.value.is(Value::Kind::text)) {
    return fault(pattern.offset, "the pattern of matches() must be a text between quotes");
  }
  if (++patterns_ > limits_.patterns) {
    return fault(call.offset, "too many patterns: at most " + std::to_string(limits_.patterns));
  }
  auto compiled = TextPattern::compile(pattern.value.text, limits_);
  if (auto* wrong = std::get_if<std::string>(&compiled)) {
    return fault(pattern.offset, std::move(*wrong));
  }
  call.pattern = std::move(std::get<0>(compiled));
}

}  // namespace pgtide
