#include "pgtide/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace pgtide {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::denied: return "denied";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::too_large: return "too_large";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

std::string Error::to_string() const {
  return context.empty() ? message : context + ": " + message;
}

namespace detail {

void broken_promise(const char* what, const char* file, int line) {
  std::fprintf(stderr, "pgtide: broken promise: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace detail
}  // namespace pgtide
