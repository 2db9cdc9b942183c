#include "model/json_scanner.hpp"

#include <algorithm>

namespace pgtide {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

void JsonScanner::space() {
  while (!at_end() && is_space(text_[at_])) ++at_;
}

bool JsonScanner::take(char symbol) {
  if (at_end() || text_[at_] != symbol) return false;
  ++at_;
  return true;
}

bool JsonScanner::value() {
  open_.clear();
  for (bool finished = false; !finished;) {
    space();
    bool entered = false;
    if (!open_container(entered)) return false;
    if (entered) continue;
    if (!close_containers(finished)) return false;
  }
  return true;
}

// At the start of a value: a scalar or an empty container is consumed whole; of another container
// what precedes its first value (`entered`).
bool JsonScanner::open_container(bool& entered) {
  const char symbol = peek();
  if (symbol != '{' && symbol != '[') return scalar();
  ++at_;
  const char closing = symbol == '{' ? '}' : ']';
  space();
  if (take(closing)) return true;
  open_ += closing;
  entered = true;
  return closing == ']' || member_key();
}

// After a value: closes what ends here, and stands before the next value unless `finished`.
bool JsonScanner::close_containers(bool& finished) {
  while (!open_.empty()) {
    space();
    if (take(',')) return open_.back() == ']' || member_key();
    if (!take(open_.back())) return false;
    open_.pop_back();
  }
  finished = true;
  return true;
}

bool JsonScanner::member_key() {
  space();
  if (!string()) return false;
  space();
  return take(':');
}

bool JsonScanner::string() {
  if (!take('"')) return false;
  while (!at_end()) {
    const char c = text_[at_];
    if (static_cast<unsigned char>(c) < 0x20) return false;
    ++at_;
    if (c == '"') return true;
    if (c == '\\' && !escape()) return false;
  }
  return false;
}

bool JsonScanner::escape() {
  if (at_end()) return false;
  const char kind = text_[at_++];
  if (kind != 'u') return std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos;
  const std::string_view hex = text_.substr(at_, 4);
  if (hex.size() < 4 || !std::all_of(hex.begin(), hex.end(), is_hex_digit)) return false;
  at_ += 4;
  return true;
}

bool JsonScanner::scalar() {
  if (peek() == '"') return string();
  for (const std::string_view word : {"null", "true", "false"}) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return true;
  }
  return number();
}

bool JsonScanner::digits() {
  const std::size_t start = at_;
  while (is_digit(peek())) ++at_;
  return at_ > start;
}

bool JsonScanner::number() {
  take('-');
  if (!take('0') && !digits()) return false;
  if (take('.') && !digits()) return false;
  if (!take('e') && !take('E')) return true;
  if (!take('+')) take('-');
  return digits();
}

}  // namespace pgtide
