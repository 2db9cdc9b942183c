#include "rules/lexer.hpp"

#include <array>
#include <utility>

#include "model/utf8.hpp"
#include "model/wording.hpp"
#include "rules/decimal.hpp"

namespace pgtide {
namespace {

constexpr std::string_view no_arithmetic =
    "there is no arithmetic: compare with a value that is computed beforehand";

bool is_digit_of_number(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name_part(char c) {
  return is_name_start(c) || is_digit_of_number(c);
}

int hex_digit(char c) {
  if (is_digit_of_number(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

class Lexer {
 public:
  Lexer(std::string_view text, std::vector<ExpressionFault>& faults)
      : text_(text), faults_(faults) {}

  std::vector<Token> run() {
    while (skip_space(), at_ < text_.size()) next();
    add(Token::Kind::end, at_);
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != text_.npos) ++at_;
  }
  void fault(std::size_t offset, std::string message) {
    faults_.push_back({offset, std::move(message)});
  }
  void add(Token::Kind kind, std::size_t start) {
    tokens_.push_back({kind, start, text_.substr(start, at_ - start), {}});
  }

  void next();
  void name();
  void number();
  void quoted_text(std::size_t start, bool raw);
  void escape(std::string& out);
  void code_point(std::string& out, std::size_t start, int digits);
  void symbol();
  void unknown_symbol();

  std::string_view text_;
  std::vector<ExpressionFault>& faults_;
  std::vector<Token> tokens_{};
  std::size_t at_ = 0;
};

void Lexer::next() {
  const char c = peek();
  const bool raw = c == 'r' && (peek(1) == '\'' || peek(1) == '"');
  if (c == '\'' || c == '"' || raw) {
    const std::size_t start = at_;
    if (raw) ++at_;
    quoted_text(start, raw);
  } else if (is_name_start(c)) {
    name();
  } else if (is_digit_of_number(c) || (c == '-' && is_digit_of_number(peek(1)))) {
    number();
  } else {
    symbol();
  }
}

void Lexer::name() {
  const std::size_t start = at_;
  while (is_name_part(peek())) ++at_;
  add(Token::Kind::name, start);
}

void Lexer::number() {
  const std::size_t start = at_++;
  const auto digits = [&] {
    while (is_digit_of_number(peek())) ++at_;
  };
  digits();
  if (peek() == '.' && is_digit_of_number(peek(1))) ++at_, digits();
  if (peek() == 'e' || peek() == 'E') {
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if (is_digit_of_number(peek(1 + sign))) at_ += 1 + sign, digits();
  }
  const bool zero_first =
      text_[start] == '0' && at_ - start > 1 && is_digit_of_number(text_[start + 1]);
  if (is_name_part(peek()) || zero_first) {
    while (is_name_part(peek())) ++at_;
    fault(start, quoted(text_.substr(start, at_ - start)) +
                     " is no number: write it in decimal, like 42, -1.5 or 2e10");
  } else if (!parse_decimal(text_.substr(start, at_ - start))) {
    fault(start, quoted(text_.substr(start, at_ - start)) +
                     " is past every number there is: its exponent is at most 1000000000");
  }
  add(Token::Kind::number, start);
}

void Lexer::quoted_text(std::size_t start, bool raw) {
  const char quote = text_[at_++];
  std::string value;
  while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') {
    if (text_[at_] == '\\' && !raw) {
      escape(value);
    } else {
      value += text_[at_++];
    }
  }
  if (peek() == quote) {
    ++at_;
  } else {
    fault(start, std::string("this text does not end: a ") + quote + " is missing");
  }
  add(Token::Kind::text, start);
  tokens_.back().value = std::move(value);
}

void Lexer::escape(std::string& out) {
  const std::size_t start = at_++;
  const char letter = peek();
  constexpr std::string_view letters = "\\'\"nrt", meanings = "\\'\"\n\r\t";
  if (const std::size_t n = letters.find(letter); letter != '\0' && n != letters.npos) {
    ++at_;
    out += meanings[n];
  } else if (letter == 'x' || letter == 'u' || letter == 'U') {
    ++at_;
    code_point(out, start, letter == 'x' ? 2 : letter == 'u' ? 4 : 8);
  } else {
    fault(start,
          "no such escape: there are \\\\ \\' \\\" \\n \\r \\t \\xHH \\uXXXX \\UXXXXXXXX; "
          "r'...' takes everything as it stands");
  }
}

void Lexer::code_point(std::string& out, std::size_t start, int digits) {
  char32_t value = 0;
  for (int n = 0; n < digits; ++n) {
    const int digit = hex_digit(peek());
    if (digit < 0) {
      fault(start, "this escape takes " + std::to_string(digits) + " hexadecimal digits");
      return;
    }
    value = value * 16 + static_cast<char32_t>(digit);
    ++at_;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    fault(start, "this escape is no character of Unicode");
    return;
  }
  append_utf8(out, value);
}

void Lexer::symbol() {
  const std::string_view rest = text_.substr(at_);
  for (const std::string_view word : {"===", "!==", "==", "!=", "<=", ">=", "&&", "||", "<", ">",
                                      "!", "?", ":", "(", ")", "[", "]", ",", "."}) {
    if (!rest.starts_with(word)) continue;
    if (word.size() == 3) break;
    const std::size_t start = at_;
    at_ += word.size();
    add(Token::Kind::symbol, start);
    return;
  }
  unknown_symbol();
}

void Lexer::unknown_symbol() {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> known{{
      {"===", "write =="},
      {"!==", "write !="},
      {"//", "there are no comments in an expression: the file has them"},
      {"=", "write =="},
      {"&", "write &&"},
      {"|", "write ||"},
      {"+", no_arithmetic},
      {"-", "there is no arithmetic: a - stands right before the digits of a number only"},
      {"*", no_arithmetic},
      {"/", no_arithmetic},
      {"%", no_arithmetic},
  }};
  const std::size_t start = at_;
  for (const auto& [word, message] : known) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return fault(start, std::string(message));
  }
  // The character whole, however many bytes it has.
  do ++at_;
  while ((static_cast<unsigned char>(peek()) & 0xC0) == 0x80);
  fault(start, quoted(text_.substr(start, at_ - start)) + " has no meaning here");
}

}  // namespace

std::vector<Token> tokenize(std::string_view text, std::vector<ExpressionFault>& faults) {
  return Lexer(text, faults).run();
}

}  // namespace pgtide
