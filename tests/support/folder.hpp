#pragma once
#include <doctest/doctest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace pgtide::test {

// Where many files come and go: in memory, where the machine keeps room for that. (ext4 without a
// journal looks at every inode that was freed in the last seconds before it gives one away.)
inline std::string busy_directory() {
  constexpr std::uintmax_t room = 4ULL << 30;
  std::error_code absent;
  const auto memory = std::filesystem::space("/dev/shm", absent);
  return !absent && memory.available > room ? "/dev/shm" : "/tmp";
}

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
