#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pgtide/result.hpp"

// Rows as PostgreSQL's to_json prints them, looked into without being rebuilt: the text of every
// value is passed on untouched.
namespace pgtide {

class JsonScanner;

// One member of a row: views into the row's text.
struct RowMember {
  std::string_view column;  // unescaped
  std::string_view key;     // as it stands in the text, with its quotes
  std::string_view value;   // JSON text; empty: it is withheld, and to rules and filters an error
  std::string_view digest{};  // of a withheld value: equal ones have equal digests
};

// The members of one JSON object, in order. The text must outlive it.
class Row {
 public:
  // ErrorKind::invalid where `text` is not one JSON object.
  static Result<Row> parse(std::string_view text);
  // The same of a row that was read without its longest values (Event::reduced), where `~"DIGEST"`
  // stands in their place: no JSON, so that nothing that comes from elsewhere is taken for it.
  static Result<Row> parse_reduced(std::string_view text);

  const std::vector<RowMember>& members() const { return members_; }
  // The first member of that name, or null.
  const RowMember* find(std::string_view column) const;
  // Is there a name that two members have?
  bool repeats_a_name() const;

 private:
  static Result<Row> parse(std::string_view text, bool reduced);
  bool read_member(JsonScanner& scanner, bool reduced);

  std::vector<RowMember> members_;
  std::vector<std::unique_ptr<const std::string>> names_;  // those that had escapes in them
};

// Is `text` one JSON value in valid UTF-8, as a receiver of a frame must find it? Says where not.
// Numbers of any length and lone surrogates in escapes pass: both are what PostgreSQL prints.
Result<void> check_json(std::string_view text);

}  // namespace pgtide
