#pragma once
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "support/database.hpp"
#include "support/folder.hpp"

namespace pgtide::test {

// A cluster whose clock is ours, until it is set otherwise: by libfaketime (Debian's faketime),
// which PostgreSQL's processes ask for the time. A machine without it fails the test.
class OddClock {
 public:
  OddClock() {
    std::filesystem::permissions(folder_.path(""), std::filesystem::perms(0755));
    set("+0");
    const Variables variables(find_library(), folder_.path("offset"));
    server.emplace(make_cluster());
  }
  // "+3600": an hour ahead of ours, from now on.
  void set(const std::string& offset) {
    folder_.write("offset.next", offset + "\n");
    std::filesystem::rename(folder_.path("offset.next"), folder_.path("offset"));
  }

  std::optional<PrivatePostgres> server;

 private:
  // What the server inherits when it is started.
  struct Variables {
    Variables(const std::string& library, const std::string& offset) {
      setenv("LD_PRELOAD", library.c_str(), 1);
      setenv("FAKETIME_TIMESTAMP_FILE", offset.c_str(), 1);
      setenv("FAKETIME_NO_CACHE", "1", 1);
      setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
      setenv("NO_FAKE_STAT", "1", 1);
    }
    ~Variables() {
      for (const char* name : {"LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE", "FAKETIME_NO_CACHE",
                               "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"})
        unsetenv(name);
    }
  };

  static std::string find_library() {
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib")) {
      const auto path = entry.path() / "faketime/libfaketime.so.1";
      if (entry.is_directory() && std::filesystem::exists(path)) return path;
    }
    FAIL("libfaketime is missing; on Debian: apt-get install faketime");
    return {};
  }

  Folder folder_;
};

}  // namespace pgtide::test
