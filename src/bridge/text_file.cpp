#include "bridge/text_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace pgtide {
namespace {

constexpr std::size_t bytes_max = 2 * 1'048'576;  // twice what a YAML text may have

Error unreadable(const std::string& path) {
  const auto kind = errno == ENOENT ? ErrorKind::not_found : ErrorKind::denied;
  return {kind, std::string("cannot be read: ") + std::strerror(errno), path};
}

}  // namespace

Result<std::string> read_text_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return unreadable(path);
  std::string text;
  std::array<char, 65'536> part;
  ssize_t got = 1;
  while (got > 0 && text.size() < bytes_max) {
    got = ::read(file, part.data(), part.size());
    if (got > 0) text.append(part.data(), static_cast<std::size_t>(got));
  }
  const int why = errno;
  ::close(file);
  errno = why;
  if (got < 0) return unreadable(path);
  return text;
}

}  // namespace pgtide
