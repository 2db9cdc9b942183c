#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/key_set.hpp"
#include "pgtide/config.hpp"

namespace pgtide {

// The keys of `auth.jwt`, as they were read at one time. Immutable; any thread.
struct KeyRing {
  std::vector<const Algorithm*> accepted{};
  std::vector<NamedKey> keys{};
  std::string warnings{};  // what of reread files is of no use; a line each

  // Null: `name` is not accepted here.
  const Algorithm* find_accepted(std::string_view name) const;
};

// Reads all keys. Errors: invalid with all faults, a line each: a file that cannot be read, a key
// that is none, an algorithm without a key, a key without an algorithm. No key at all is fine,
// where the algorithms are the default: no token is then known.
Result<std::shared_ptr<const KeyRing>> load_key_ring(const Config::Jwt& jwt);

// The same of files that have changed under a running bridge. A key that was taken out must be
// worth nothing from now on, whatever else is wrong: so an algorithm without a key accepts nothing,
// and a key that is none is left out of its set, and both are warnings. Errors: invalid, where a
// file cannot be read or is not what it should be.
Result<std::shared_ptr<const KeyRing>> reload_key_ring(const Config::Jwt& jwt);

// The secret of HS*, from the configuration or its file, without the file's last line end.
// ErrorKind::invalid where there is none or it is too short.
Result<std::string> load_secret(const Config::Jwt& jwt);

// By what a file is told from an earlier one of its name. All zero: it cannot be looked at.
struct FileStamp {
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  std::uint64_t bytes = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
std::vector<FileStamp> stamp_files(const Config::Jwt& jwt);

}  // namespace pgtide
