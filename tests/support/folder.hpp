#pragma once
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace pgtide::test {

// A directory of a test's own, removed at the end.
class Folder {
 public:
  Folder() {
    if (mkdtemp(path_.data()) == nullptr) FAIL("no temporary directory");
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file there and returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }

 private:
  std::string path_ = "/tmp/pgtide-test-XXXXXX";
};

}  // namespace pgtide::test
