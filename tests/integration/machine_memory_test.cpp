#include "bridge/machine_memory.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/folder.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

std::size_t memory_with(const Files& files) {
  const Folder root;
  for (const auto& [name, text] : files) {
    std::filesystem::create_directories(
        std::filesystem::path(root.path(name.substr(1))).parent_path());
    root.write(name.substr(1), text);
  }
  std::string path = root.path("");
  while (path.ends_with('/')) path.pop_back();
  return read_machine_memory(path);
}

const std::pair<std::string, std::string> machine{
    "/proc/meminfo", "MemTotal:        1000 kB\nMemFree:          500 kB\n"};

}  // namespace

TEST_CASE("machine memory: the least that machine and control groups give") {
  struct Case {
    Files files;
    std::size_t bytes;
    const char* why;
  };
  const std::vector<Case> cases = {
      {{}, 0, "nothing can be read"},
      {{machine}, 1'024'000, "no groups"},
      {{machine, {"/proc/self/cgroup", "0::/a/b\n"}, {"/sys/fs/cgroup/a/b/memory.max", "max\n"}},
       1'024'000, "version 2 without a limit"},
      {{machine, {"/proc/self/cgroup", "0::/a/b\n"}, {"/sys/fs/cgroup/a/b/memory.max", "4096\n"}},
       4'096, "version 2"},
      {{machine,
        {"/proc/self/cgroup", "0::/a/b\n"},
        {"/sys/fs/cgroup/a/b/memory.max", "8192\n"},
        {"/sys/fs/cgroup/a/memory.max", "4096\n"}},
       4'096, "a group above it gives less"},
      {{machine, {"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "4096\n"}}, 4'096,
       "a container that sees its own group as the root"},
      {{machine,
        {"/proc/self/cgroup", "12:cpu,memory:/a\n1:name=systemd:/b\n"},
        {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4096\n"}},
       4'096, "version 1"},
      {{machine,
        {"/proc/self/cgroup", "12:memory:/unseen\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n"}},
       4'096, "version 1, from inside a container"},
      {{machine,
        {"/proc/self/cgroup", "12:memory:/\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
       1'024'000, "version 1's word for no limit"},
      {{machine, {"/proc/self/cgroup", "rubbish\n:\n"}}, 1'024'000, "what is no list of groups"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(memory_with(one.files) == one.bytes);
  }
  CHECK(read_machine_memory() > 64'000'000);
}

TEST_CASE("machine memory: clients may have a quarter of it, or what is set") {
  CHECK(memory_limit(0, 4'000) == 1'000);
  CHECK(memory_limit(500, 4'000) == 500);
  CHECK(memory_limit(0, 0) == 0);
}
