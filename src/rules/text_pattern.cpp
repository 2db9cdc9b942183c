#include "rules/text_pattern.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "rules/pattern_weight.hpp"

// RE2 reads a text in one pass, by an automaton that it makes as it goes. Where a text leads it
// through too many states it gives up, and walks through the program letter by letter: a program of
// 600 instructions takes 131 ms for 10 KB so. It neither tells that it has given up nor can
// be told not to go on (its hooks are not exported), so what it may then cost is bounded instead: a
// filter's program and the texts that it looks at are so small that RE2 goes on with its bit-state
// search, which visits each pair of instruction and byte once (it takes programs and texts with a
// product of up to 262,144). 128 instructions on 2,000 bytes take 0.8 ms at the most (2026-11-30),
// and are paid for as if they always did.
namespace pgtide {
namespace {

// A part of the program at a byte of the text takes 3 ns, a step 7; to begin with 50 ns
// (2026-11-30).
constexpr std::uint64_t turns_per_step = 2;
constexpr std::uint64_t steps_to_begin = 8;
// By how much the weight may be more than what the compiler makes of it.
constexpr std::size_t weight_factor = 4;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

std::string too_large(std::size_t program_max) {
  return "this pattern is too large: compiled, it has more than " + std::to_string(program_max) +
         " instructions; repeat less, or ask for fewer letters";
}

// Why it is not even to be compiled; empty: it may be.
std::string fault_before_compiling(std::string_view pattern, const ExpressionLimits& limits) {
  if (pattern.size() > limits.pattern_bytes) {
    return "this pattern is too long: at most " + std::to_string(limits.pattern_bytes) + " bytes";
  }
  if (limits.pattern_program == ExpressionLimits::unlimited) return {};
  const auto weight = weigh_pattern(pattern);
  if (!weight) {
    return "a filter's pattern has no Unicode classes (\\p): name the letters, as in [a-z]";
  }
  return *weight > weight_factor * limits.pattern_program ? too_large(limits.pattern_program) : "";
}

}  // namespace

TextPattern::TextPattern(std::unique_ptr<const re2::RE2> compiled, std::size_t matched_bytes)
    : compiled_(std::move(compiled)),
      matched_bytes_(matched_bytes),
      program_(static_cast<std::size_t>(std::max(1, compiled_->ProgramSize()))) {}

TextPattern::~TextPattern() = default;

std::variant<std::shared_ptr<const TextPattern>, std::string> TextPattern::compile(
    std::string_view pattern, const ExpressionLimits& limits) {
  if (std::string fault = fault_before_compiling(pattern, limits); !fault.empty()) return fault;
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(static_cast<std::int64_t>(limits.pattern_memory_bytes));
  auto compiled = std::make_unique<const re2::RE2>(piece(pattern), options);
  if (!compiled->ok()) return "no regular expression (RE2): " + compiled->error();
  std::shared_ptr<const TextPattern> made(
      new TextPattern(std::move(compiled), limits.matched_bytes));
  if (made->program_ > limits.pattern_program) return too_large(limits.pattern_program);
  return made;
}

std::string_view TextPattern::matched_part(std::string_view text) const {
  if (text.size() <= matched_bytes_) return text;
  std::size_t end = matched_bytes_;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

bool TextPattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(piece(matched_part(text)), *compiled_);
}

std::uint64_t TextPattern::steps(std::string_view text) const {
  return steps_to_begin + program_ * std::min(text.size(), matched_bytes_) / turns_per_step;
}

std::size_t TextPattern::bytes_max() const {
  return sizeof(TextPattern) + sizeof(re2::RE2) +
         static_cast<std::size_t>(compiled_->options().max_mem());
}

}  // namespace pgtide
