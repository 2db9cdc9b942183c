#pragma once
#include <memory>
#include <string>
#include <variant>

#include "broker/memory_account.hpp"
#include "broker/sweep.hpp"
#include "model/text_map.hpp"
#include "rules/expression.hpp"

namespace pgtide {

// Clients' filters by their text: the same page in a thousand browsers asks the same, which is
// parsed, and its regular expression compiled, once.
class FilterTexts {
 public:
  explicit FilterTexts(MemoryAccount* memory) : memory_(memory) {}

  // The first fault where there are any.
  std::variant<std::shared_ptr<const Expression>, ExpressionFault> parse(const std::string& text);

 private:
  MemoryAccount* memory_;  // null: none is kept
  TextMap<std::weak_ptr<const Expression>> held_{};
  Sweep sweep_{};
};

}  // namespace pgtide
