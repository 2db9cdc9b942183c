#include "cluster/child_program.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace pgtide {
namespace {

// All of the following runs between fork and exec, where only async-signal-safe calls are allowed:
// nothing allocates, and what it needs was made before.

constexpr int exit_not_started = 127;

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void become(const ChildUser& user) {
  if (!user.change) return;
  if (setgroups(0, nullptr) != 0 || setgid(user.gid) != 0 || setuid(user.uid) != 0)
    _exit(exit_not_started);
}

void place(int descriptor, int target) {
  if (descriptor < 0 || dup2(descriptor, target) < 0) _exit(exit_not_started);
}

void announce_pid(int socket) {
  if (socket < 0) return;
  char text[24];
  char* end = std::to_chars(text, text + sizeof text - 1, getpid()).ptr;
  *end++ = '\n';
  if (send(socket, text, static_cast<size_t>(end - text), MSG_NOSIGNAL) < 0)
    _exit(exit_not_started);
}

[[noreturn]] void run_child(const ChildProgram& program, char* const* arguments) {
  setsid();
  reset_signals();
  become(program.user);
  announce_pid(program.announce);
  const char* output = program.output.empty() ? "/dev/null" : program.output.c_str();
  const int log = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
  place(program.input >= 0 ? program.input : open("/dev/null", O_RDONLY), 0);
  place(log, 1);
  place(log, 2);
  close_range(3, ~0U, 0);
  if (chdir(program.working_directory.c_str()) != 0) _exit(exit_not_started);
  execv(arguments[0], arguments);
  _exit(exit_not_started);
}

}  // namespace

Result<pid_t> start_program(const ChildProgram& program) {
  std::vector<char*> arguments;
  for (const std::string& argument : program.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const pid_t pid = fork();
  if (pid == 0) run_child(program, arguments.data());
  if (pid < 0)
    return Error{ErrorKind::unavailable, std::string("cannot start: ") + std::strerror(errno),
                 program.arguments.front()};
  return pid;
}

std::string first_line_of(const char* command) {
  FILE* pipe = popen(command, "re");
  if (pipe == nullptr) return {};
  char buffer[4096] = "";
  const bool read = fgets(buffer, sizeof buffer, pipe) != nullptr;
  pclose(pipe);
  std::string line = read ? buffer : "";
  while (!line.empty() && line.back() == '\n') line.pop_back();
  return line;
}

int wait_for_program(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace pgtide
