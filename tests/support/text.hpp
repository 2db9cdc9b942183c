#pragma once
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace pgtide::test {

inline bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// A whole file; one that cannot be read fails the test.
inline std::string file_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) FAIL("cannot read ", path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A file's first line; empty: there is none.
inline std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace pgtide::test
