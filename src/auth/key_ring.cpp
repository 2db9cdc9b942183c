#include "auth/key_ring.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace pgtide {
namespace {

// A key set of 64 keys takes some 100 KiB.
constexpr std::size_t file_bytes_max = 1'048'576;

Error fault_of(const std::string& key, const std::string& file, const std::string& what) {
  return {ErrorKind::invalid, file + " " + what, key};
}

Result<std::string> read_file(const std::string& path, const std::string& key) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) {
    return fault_of(key, path, std::string("cannot be read: ") + std::strerror(errno));
  }
  if (!S_ISREG(found.st_mode)) return fault_of(key, path, "is no file");
  std::ifstream file(path, std::ios::binary);
  std::string text(file_bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return fault_of(key, path, std::string("cannot be read: ") + std::strerror(errno));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > file_bytes_max) return fault_of(key, path, "is larger than 1 MiB");
  return text;
}

// Collects keys and faults over all sources.
class RingLoader {
 public:
  RingLoader(const Config::Jwt& jwt, bool again) : jwt_(jwt), again_(again) {}

  Result<std::shared_ptr<const KeyRing>> load() {
    for (const std::string& name : jwt_.algorithms) accept(name);
    add_secret();
    add_public_key();
    add_key_set();
    if (faults_.empty()) check_algorithms();
    if (!faults_.empty()) return Error{ErrorKind::invalid, faults_};
    return std::shared_ptr<const KeyRing>(std::move(ring_));
  }

 private:
  void accept(const std::string& name) {
    const Algorithm* known = find_algorithm(name);
    if (known == nullptr) return note("auth.jwt.algorithms: there is no algorithm '" + name + "'");
    ring_->accepted.push_back(known);
  }

  void add_secret() {
    if (jwt_.secret.empty() && jwt_.secret_file.empty()) return;
    auto secret = load_secret(jwt_);
    if (!secret) return note(secret.error().to_string());
    auto key = VerifyingKey::from_secret(std::move(*secret));
    ring_->keys.push_back({std::move(*key)});
    check_use(ring_->keys.back(), jwt_.secret_file.empty() ? "secret" : "secret_file");
  }

  void add_public_key() {
    const std::string& path = jwt_.public_key_file;
    if (path.empty()) return;
    const auto text = read_file(path, "auth.jwt.public_key_file");
    if (!text) return note(text.error().to_string());
    auto key = VerifyingKey::from_pem(*text);
    if (!key) {
      return note(fault_of("auth.jwt.public_key_file", path, key.error().message).to_string());
    }
    ring_->keys.push_back({std::move(*key)});
    check_use(ring_->keys.back(), "public_key_file");
  }

  void add_key_set() {
    const std::string& path = jwt_.jwks_file;
    if (path.empty()) return;
    const auto text = read_file(path, "auth.jwt.jwks_file");
    if (!text) return note(text.error().to_string());
    auto keys = parse_key_set(*text);
    if (!keys) return note(fault_of("auth.jwt.jwks_file", path, keys.error().message).to_string());
    for (const std::string& fault : keys->faults) {
      doubt(fault_of("auth.jwt.jwks_file", path, fault).to_string());
    }
    std::move(keys->keys.begin(), keys->keys.end(), std::back_inserter(ring_->keys));
  }

  bool is_used(const NamedKey& named) const {
    return std::any_of(ring_->accepted.begin(), ring_->accepted.end(),
                       [&](const Algorithm* each) { return named.key.fits(*each); });
  }

  // A key set may hold keys for others as well; a key that was named by hand is meant.
  void check_use(const NamedKey& named, const std::string& key) {
    if (is_used(named)) return;
    doubt("auth.jwt." + key + ": is " + std::string(to_string(named.key.family())) +
         ", and auth.jwt.algorithms lists no algorithm for it");
  }

  void check_algorithms() {
    if (ring_->keys.empty() && jwt_.algorithms == Config::Jwt{}.algorithms &&
        jwt_.jwks_file.empty()) {
      ring_->accepted.clear();
    }
    for (const Algorithm* each : ring_->accepted) {
      const bool served = std::any_of(ring_->keys.begin(), ring_->keys.end(),
                                      [&](const NamedKey& named) { return named.key.fits(*each); });
      if (!served) {
        doubt("auth.jwt.algorithms: lists " + std::string(each->name) + ", which needs " +
              std::string(to_string(each->family)) + "; take it out, or give the key");
      }
    }
  }

  static void add(std::string& lines, const std::string& fault) {
    lines += (lines.empty() ? "" : "\n") + fault;
  }
  void note(const std::string& fault) { add(faults_, fault); }
  // What a start refuses, so that it is seen, and a reload goes on with.
  void doubt(const std::string& fault) { add(again_ ? ring_->warnings : faults_, fault); }

  const Config::Jwt& jwt_;
  const bool again_;
  std::shared_ptr<KeyRing> ring_ = std::make_shared<KeyRing>();
  std::string faults_{};
};

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

FileStamp stamp_of(const std::string& path) {
  struct stat found {};
  if (path.empty() || ::stat(path.c_str(), &found) != 0) return {};
  return {nanoseconds(found.st_mtim), nanoseconds(found.st_ctim),
          static_cast<std::uint64_t>(found.st_size), found.st_ino};
}

}  // namespace

const Algorithm* KeyRing::find_accepted(std::string_view name) const {
  for (const Algorithm* each : accepted) {
    if (each->name == name) return each;
  }
  return nullptr;
}

Result<std::shared_ptr<const KeyRing>> load_key_ring(const Config::Jwt& jwt) {
  return RingLoader(jwt, false).load();
}

Result<std::shared_ptr<const KeyRing>> reload_key_ring(const Config::Jwt& jwt) {
  return RingLoader(jwt, true).load();
}

Result<std::string> load_secret(const Config::Jwt& jwt) {
  const bool in_file = !jwt.secret_file.empty();
  const std::string key = in_file ? "auth.jwt.secret_file" : "auth.jwt.secret";
  if (in_file && !jwt.secret.empty()) {
    return Error{ErrorKind::invalid, "auth.jwt.secret is set as well: remove one of them", key};
  }
  std::string secret = jwt.secret;
  if (in_file) {
    auto text = read_file(jwt.secret_file, key);
    if (!text) return text.error();
    secret = std::move(*text);
    if (secret.ends_with('\n')) secret.pop_back();
    if (secret.ends_with('\r')) secret.pop_back();
  }
  if (secret.empty()) return Error{ErrorKind::invalid, "there is no secret", key};
  if (auto usable = VerifyingKey::from_secret(secret); !usable) {
    return Error{ErrorKind::invalid, usable.error().message, key};
  }
  return secret;
}

std::vector<FileStamp> stamp_files(const Config::Jwt& jwt) {
  return {stamp_of(jwt.secret_file), stamp_of(jwt.public_key_file), stamp_of(jwt.jwks_file)};
}

}  // namespace pgtide
