#pragma once
#include <string_view>
#include <vector>

namespace pgtide {

// A file of src/cli/demo_page/, compiled into the program by cmake/embed_page.cmake. `pieces`
// joined are its text: compilers limit how long one literal may be.
struct PageFile {
  std::string_view name;  // "page.css"
  std::vector<std::string_view> pieces;
};

const std::vector<PageFile>& page_files();

}  // namespace pgtide
