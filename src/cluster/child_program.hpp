#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "pgtide/result.hpp"

namespace pgtide {

// As whom a child runs: ids are changed only where `change` is true.
struct ChildUser {
  uid_t uid = 0;
  gid_t gid = 0;
  bool change = false;
};

// How a child program is started. Whatever is not named here it does not inherit: it gets a session
// of its own (a terminal's Ctrl-C does not reach it), default signals and no file but 0, 1 and 2.
struct ChildProgram {
  std::vector<std::string> arguments;  // the first is the program's path
  ChildUser user;
  std::string working_directory = "/";
  std::string output;  // a file that 1 and 2 are appended to; empty: /dev/null
  int input = -1;      // becomes 0; -1: /dev/null
  int announce = -1;   // a socket that the child's pid and a newline are sent to before it starts
};

// Starts it and returns its pid; the caller waits for it. A program that cannot be executed ends
// with status 127. Error: unavailable, when the system refuses another process.
Result<pid_t> start_program(const ChildProgram& program);

// The first line that a shell's `command` prints, without its end; empty: none.
std::string first_line_of(const char* command);

// Waits until it ends and returns its wait status (waitpid(2)).
int wait_for_program(pid_t pid);

}  // namespace pgtide
