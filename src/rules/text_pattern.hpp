#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "rules/expression.hpp"

namespace re2 {
class RE2;
}

namespace pgtide {

// The regular expression of a matches(), compiled. Immutable and shared between threads.
class TextPattern {
 public:
  // The fault, in words, where there is one.
  static std::variant<std::shared_ptr<const TextPattern>, std::string> compile(
      std::string_view pattern, const ExpressionLimits& limits);

  // Does it match anywhere in the first `limits.matched_bytes` of the text, cut between two
  // letters?
  bool found_in(std::string_view text) const;
  // What found_in() takes at the most (Scratch::spend). RE2 most often takes one turn for each byte
  // of the text; where it gives up its automaton, as many as the program is long.
  std::uint64_t steps(std::string_view text) const;

  // As much memory as it may come to take while it reads texts.
  std::size_t bytes_max() const;

  ~TextPattern();

 private:
  TextPattern(std::unique_ptr<const re2::RE2> compiled, std::size_t matched_bytes);
  std::string_view matched_part(std::string_view text) const;

  std::unique_ptr<const re2::RE2> compiled_;
  std::size_t matched_bytes_;
  std::size_t program_;
};

}  // namespace pgtide
