#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace pgtide {

// Walks over a JSON text (RFC 8259) without building anything: what a caller keeps are views.
//
// A library would be the rule here, but the rows must pass as PostgreSQL printed them: integers of
// any length and lone surrogates in escapes, which nlohmann's, Boost's and RapidJSON's parsers
// refuse, while simdjson's On Demand does not check what it skips. The scanner needs no recursion,
// so depth is bounded by the text only.
class JsonScanner {
 public:
  explicit JsonScanner(std::string_view text) : text_(text) {}

  // Each consumes what it names, and returns false where something else stands.
  bool value();            // any value, whole
  bool string();           // with its quotes
  bool take(char symbol);  // one of { } [ ] : ,
  void space();

  bool at_end() const { return at_ == text_.size(); }
  std::size_t at() const { return at_; }
  std::string_view since(std::size_t start) const { return text_.substr(start, at_ - start); }

 private:
  bool scalar();
  bool number();
  bool digits();
  bool escape();
  bool member_key();
  bool open_container(bool& entered);
  bool close_containers(bool& finished);
  char peek() const { return at_end() ? '\0' : text_[at_]; }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string open_;  // the closing symbols of the containers that value() is in
};

}  // namespace pgtide
