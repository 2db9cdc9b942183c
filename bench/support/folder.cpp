#include "support/folder.hpp"

#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cluster/child_program.hpp"
#include "support/bench.hpp"

namespace pgtide::bench {

Folder::Folder(const std::string& parent) : path_(parent + "/pgtide-bench-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) give_up(parent + ": " + std::strerror(errno));
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Folder::write(const std::string& name, const std::string& text) const {
  std::ofstream out(file(name));
  out << text;
  if (!out.flush()) give_up("cannot write " + file(name));
}

std::string Folder::read(const std::string& name) const {
  std::ifstream in(file(name));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int start_bound(std::vector<std::string> arguments, const Folder& folder, const std::string& log) {
  ChildProgram program;
  program.arguments = {"/usr/bin/setpriv", "--pdeathsig", "KILL", "--"};
  program.arguments.insert(program.arguments.end(), arguments.begin(), arguments.end());
  program.working_directory = folder.path();
  program.output = folder.file(log);
  return take(start_program(program));
}

std::string run_to_end(std::vector<std::string> arguments, const Folder& folder,
                       const std::string& log) {
  std::error_code ignored;
  std::filesystem::remove(folder.file(log), ignored);
  const std::string name = arguments.front();
  const int status = wait_for_program(start_bound(std::move(arguments), folder, log));
  std::string printed = folder.read(log);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) give_up(name + " failed: " + printed);
  return printed;
}

}  // namespace pgtide::bench
