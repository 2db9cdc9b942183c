#include "config/text_places.hpp"

#include <cstddef>
#include <string>

namespace pgtide {
namespace {

// Reads a file from a place on, knowing where it is.
class FileWalk {
 public:
  FileWalk(std::string_view file, SourcePlace start) : file_(file) {
    while (at_ < file_.size() && (place_.line != start.line || place_.column != start.column)) {
      if (place_.line > start.line) break;
      step();
    }
  }

  bool done() const { return at_ >= file_.size(); }
  char next() const { return file_[at_]; }
  SourcePlace place() const { return place_; }

  void step() {
    const bool ends_line = file_[at_++] == '\n';
    if (ends_line) ++place_.line;
    place_.column = ends_line ? 1 : place_.column + 1;
  }
  void step_to_next_line() {
    while (!done() && next() != '\n') step();
    if (!done()) step();
  }

 private:
  std::string_view file_;
  std::size_t at_ = 0;
  SourcePlace place_{1, 1};
};

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// What YAML puts between the characters of a value.
bool is_between(char c) {
  return is_space(c) || c == '\\' || c == '\'' || c == '"';
}

}  // namespace

std::vector<SourcePlace> places_of(std::string_view file, const YamlNode& scalar) {
  FileWalk walk(file, scalar.place);
  if (!walk.done() && scalar.quoted) {
    const char opening = walk.next();
    if (opening == '|' || opening == '>') {
      walk.step_to_next_line();
    } else if (opening == '"' || opening == '\'') {
      walk.step();
    }
  }
  std::vector<SourcePlace> places;
  places.reserve(scalar.text.size() + 1);
  for (const char wanted : scalar.text) {
    FileWalk ahead = walk;
    while (!ahead.done() && ahead.next() != wanted && is_between(ahead.next())) ahead.step();
    const bool found = !ahead.done() && ahead.next() == wanted;
    if (found) walk = ahead;
    places.push_back(walk.place());
    if (found) walk.step();
  }
  places.push_back(walk.place());
  return places;
}

}  // namespace pgtide
