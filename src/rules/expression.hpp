#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/principal.hpp"
#include "rules/record_view.hpp"

namespace pgtide {

// A fault in an expression: where (a byte of its text, from 0), and what, with the mend.
struct ExpressionFault {
  std::size_t offset = 0;
  std::string message{};
  friend bool operator==(const ExpressionFault&, const ExpressionFault&) = default;
};

// PROTOCOL 4 (rules) and 1.6 (a client's filter).
struct ExpressionLimits {
  static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);
  std::size_t bytes = 4'096;
  std::size_t depth = 64;
  std::size_t nodes = 1'000;
  std::size_t patterns = 1'000;      // calls of matches()
  std::size_t pattern_bytes = 4'096;  // of one regular expression
  // Of one, compiled, and of the states that it is in while it reads a text.
  std::size_t pattern_memory_bytes = 1'048'576;
  std::size_t pattern_program = unlimited;  // RE2's instructions for it
  std::size_t matched_bytes = unlimited;    // of a text that matches() looks at
};
// A stranger's regular expression takes little memory, a tenth of a millisecond to compile and less
// than one to look at any text (text_pattern.cpp).
inline constexpr ExpressionLimits filter_limits{1'024, 16, 64, 1, 256, 65'536, 128, 2'000};

// Which variables an expression may use, and what is known of them.
struct Scope {
  bool user = false;
  const RecordShape* record = nullptr;  // null: `record` is none
};

struct Node;

// One expression of the rules language (PROTOCOL 4; docs/rules.md): parsed, not yet checked.
// Immutable and shared between threads.
class Expression {
 public:
  // Syntax, names of functions, limits. All faults at once, in order. Total over any bytes.
  static std::variant<std::shared_ptr<const Expression>, std::vector<ExpressionFault>> parse(
      std::string_view text, const ExpressionLimits& limits = {});

  // What is wrong with it in this scope: unknown variables and columns (with the nearest known
  // name), types where they are known, a result that cannot be a boolean. Empty: nothing.
  std::vector<ExpressionFault> check(const Scope& scope) const;

  // Of an expression over `user` alone (null: anonymous). An error is no.
  bool holds(const Principal* user) const;

  // Does it call matches()?
  bool has_pattern() const;

  const std::string& text() const { return text_; }
  const Node& root() const { return *root_; }
  ~Expression();

 private:
  Expression() = default;
  std::string text_;
  std::unique_ptr<const Node> root_;
};

}  // namespace pgtide
