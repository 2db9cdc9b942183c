#pragma once
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

// A program under test as a child of its own: its output in files, an environment that is empty but
// for what the test says, and no life beyond the test's.
namespace pgtide::test {

struct ProgramOptions {
  std::vector<std::string> environment{};  // "NAME=value"
  std::string folder = "/";                // the working directory
  std::string input{};                     // a file; empty: /dev/null
};

struct ProgramEnd {
  int code = 0;  // the exit code; 128 + the signal that ended it
  std::string output{};
  std::string errors{};
};

class Program {
 public:
  Program(const std::string& path, std::vector<std::string> arguments,
          const ProgramOptions& options = {});
  ~Program();  // kills it
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  std::string output() const;  // so far
  std::string errors() const;
  void signal(int number);
  bool running();
  // Fails the test when it has not ended within the limit.
  ProgramEnd wait(std::chrono::milliseconds limit = std::chrono::seconds{30});

 private:
  std::string folder_ = "/tmp/pgtide-program-XXXXXX";
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

#ifdef PGTIDE_PROGRAM
inline ProgramEnd run_program(const std::vector<std::string>& arguments,
                              const ProgramOptions& options = {}) {
  return Program(PGTIDE_PROGRAM, arguments, options).wait();
}
#endif

}  // namespace pgtide::test
