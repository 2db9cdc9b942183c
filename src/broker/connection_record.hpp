#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "model/identity.hpp"

namespace pgtide {

// A connection's record (SPECIFICATION, "Connection metadata storage").
struct ConnectionRecord {
  static constexpr auto never = std::chrono::system_clock::time_point::max();

  std::string id{};  // a UUID, made by the caller
  std::optional<Principal> user{};
  std::string remote_address{};
  std::chrono::system_clock::time_point connected_at{};
  std::chrono::system_clock::time_point expires_at = never;  // of the user's credential
  KeyPrint credential_key = 0;                               // Identity::key of it

  // Whom the credential speaks for from now on.
  void take(Identity identity) {
    user = std::move(identity.principal);
    expires_at = identity.expires_at.value_or(never);
    credential_key = identity.key;
  }
};

}  // namespace pgtide
