#include "cli/terminal.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "model/wording.hpp"

namespace pgtide {
namespace {

bool has_colours() {
  static const bool answer = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return answer;
}

const char* code_of(Colour colour) {
  switch (colour) {
    case Colour::none: return "0";
    case Colour::red: return "31";
    case Colour::green: return "32";
    case Colour::yellow: return "33";
    case Colour::blue: return "34";
    case Colour::cyan: return "36";
    case Colour::dim: return "2";
    case Colour::bold: return "1";
  }
  return "0";
}

void print_fault(const Error& error) {
  std::fflush(stdout);
  std::fprintf(stderr, "pgtide: %s\n", clean_lines(error.to_string()).c_str());
}

}  // namespace

std::string coloured(Colour colour, std::string_view text) {
  if (!has_colours() || colour == Colour::none) return std::string(text);
  return "\x1b[" + std::string(code_of(colour)) + "m" + std::string(text) + "\x1b[0m";
}

int report_settings_fault(const Error& error) {
  print_fault(error);
  return exit_usage;
}

int report_failure(const Error& error) {
  print_fault(error);
  return exit_failure;
}

}  // namespace pgtide
