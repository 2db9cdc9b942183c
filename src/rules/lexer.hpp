#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "rules/expression.hpp"

namespace pgtide {

struct Token {
  enum class Kind : unsigned char { end, name, number, text, symbol };
  Kind kind = Kind::end;
  std::size_t offset = 0;
  std::string_view source{};  // as it stands
  std::string value{};        // of a text: what it stands for

  bool is(std::string_view word) const {
    return (kind == Kind::symbol || kind == Kind::name) && source == word;
  }
};

// The tokens of an expression, an end as the last. What cannot be one is a fault, and left out.
// Total over any bytes.
std::vector<Token> tokenize(std::string_view text, std::vector<ExpressionFault>& faults);

}  // namespace pgtide
