#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace pgtide {

// A file of the source tree that the program carries (cmake/embed_files.cmake).
struct EmbeddedFile {
  EmbeddedFile(std::string_view file_name, std::initializer_list<std::string_view> pieces)
      : name(file_name) {
    for (const std::string_view piece : pieces) text += piece;
  }

  std::string_view name;  // without its folder
  std::string text{};
};

}  // namespace pgtide
