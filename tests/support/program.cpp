#include "support/program.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/eventually.hpp"

namespace pgtide::test {
namespace {

constexpr int exit_not_started = 127;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// argv and envp as exec wants them; the strings stay the vector's.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

// What lets a program start at all, and what steers a sanitizer; nothing that pgtide reads.
std::vector<std::string> environment_of(const ProgramOptions& options) {
  std::vector<std::string> all = options.environment;
  for (const char* name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) all.push_back(std::string(name) + "=" + value);
  return all;
}

// Between fork and exec: async-signal-safe calls only.
void place(const char* path, int flags, int target) {
  const int file = open(path, flags | O_CLOEXEC, 0600);
  if (file < 0 || dup2(file, target) < 0) _exit(exit_not_started);
}

}  // namespace

Program::Program(const std::string& path, std::vector<std::string> arguments,
                 const ProgramOptions& options) {
  if (mkdtemp(folder_.data()) == nullptr) FAIL("no temporary directory");
  arguments.insert(arguments.begin(), path);
  const std::vector<std::string> environment = environment_of(options);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);
  const std::string input = options.input.empty() ? "/dev/null" : options.input;
  const std::string output = folder_ + "/output";
  const std::string errors = folder_ + "/errors";
  pid_ = fork();
  if (pid_ < 0) FAIL("cannot fork");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  place(input.c_str(), O_RDONLY, 0);
  place(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 1);
  place(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 2);
  close_range(3, ~0U, 0);
  if (chdir(options.folder.c_str()) != 0) _exit(exit_not_started);
  execve(argv[0], argv.data(), envp.data());
  _exit(exit_not_started);
}

Program::~Program() {
  if (running()) {
    signal(SIGKILL);
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Program::output() const {
  return text_of(folder_ + "/output");
}
std::string Program::errors() const {
  return text_of(folder_ + "/errors");
}

void Program::signal(int number) {
  if (!ended_) ::kill(pid_, number);
}

bool Program::running() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

ProgramEnd Program::wait(std::chrono::milliseconds limit) {
  eventually([this] { return !running(); }, limit,
             [this] { return "running; " + output() + errors(); });
  const int code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  return {code, output(), errors()};
}

}  // namespace pgtide::test
