#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "pgtide/result.hpp"

namespace pgtide {

// Commits custom events through a connection of its own, made when first needed and made anew
// after a loss. Blocking; may be called from any thread, one call at a time is served.
class Broadcaster {
 public:
  explicit Broadcaster(std::string url);
  ~Broadcaster();
  Broadcaster(const Broadcaster&) = delete;
  Broadcaster& operator=(const Broadcaster&) = delete;

  // Returns when the event is committed. `data` is JSON text. ErrorKind::invalid for a name that is
  // no collection name or data that is no JSON, too_large past 1 MiB, denied (names the GRANT),
  // unavailable when the database cannot be reached.
  Result<void> broadcast(std::string_view collection, std::string_view json);
  Result<void> broadcast_all(std::string_view json);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgtide
