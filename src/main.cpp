#include <fcntl.h>
#include <unistd.h>

#include <initializer_list>

#include "cli/cli.hpp"

namespace {

// Where standard input, output or error is closed, the next socket would get its number, and a
// client our log.
void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_streams();
  return pgtide::run_cli(argc, argv);
}
