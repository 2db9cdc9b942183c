#pragma once
#include <doctest/doctest.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "support/eventually.hpp"
#include "support/folder.hpp"
#include "support/installed_database.hpp"
#include "support/memory.hpp"
#include "support/program.hpp"
#include "support/text.hpp"
#include "support/wire_client.hpp"

// The program itself, as an operator runs it.
namespace pgtide::test {

// A database with posts(id, title), watched, and rules that make it public.
struct Stage {
  explicit Stage(PrivatePostgres& server = cluster()) : database("", server) {
    database.run(
        "create table posts (id bigint primary key, title text);"
        "select pgtide.watch('posts')");
    folder.write("rules.yaml",
                 "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                 "  news:\n    subscribe: public\n");
  }
  InstalledDatabase database;
  Folder folder;
};

// `pgtide run` on a free port.
class Serving {
 public:
  Serving(const Stage& stage, const std::string& name, std::vector<std::string> arguments = {},
          const std::string& listen = "127.0.0.1:0")
      : port_file_(stage.folder.path(name)) {
    arguments.insert(arguments.begin(),
                     {"run", "--server.listen", listen, "--server.port-file", port_file_});
    program.emplace(PGTIDE_PROGRAM, arguments,
                    ProgramOptions{.environment = {"DATABASE_URL=" + stage.database.url()},
                                   .folder = stage.folder.path("")});
    eventually([&] { return std::filesystem::exists(port_file_) || !program->running(); },
               patience);
    if (!program->running()) FAIL(program->errors());
    address_ = first_line(port_file_);
    eventually([&] { return http(address_, "GET /readyz").status == 200; }, patience,
               [&] { return program->errors(); });
  }
  ~Serving() { std::filesystem::remove(port_file_); }

  const std::string& address() const { return address_; }
  std::string url() const { return "ws://" + address_ + "/realtime/subscribe"; }
  bool leads() const { return holds(http(address_, "GET /readyz").body, "\"leader\":true"); }
  // Those lines of its log, so far, that have `part`.
  std::vector<std::string> lines_with(const std::string& part) const {
    std::vector<std::string> lines;
    std::istringstream log(program->errors());
    for (std::string line; std::getline(log, line);) {
      if (holds(line, part)) lines.push_back(line);
    }
    return lines;
  }
  // What the log says to an operator who should act: its lines above level info.
  std::vector<std::string> complaints() const {
    std::vector<std::string> complaints = lines_with(" warning ");
    const std::vector<std::string> errors = lines_with(" error ");
    complaints.insert(complaints.end(), errors.begin(), errors.end());
    return complaints;
  }
  // The most that it has had in memory.
  std::size_t peak_bytes() const { return test::peak_bytes(program->pid()); }
  void kill() {
    program->signal(SIGKILL);
    CHECK(program->wait().code == 128 + SIGKILL);
  }

  std::optional<Program> program;

 private:
  std::string port_file_;
  std::string address_;
};

}  // namespace pgtide::test
