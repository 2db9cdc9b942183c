#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "auth/authenticator.hpp"
#include "bridge/policy_keeper.hpp"
#include "bridge/shared_budget.hpp"
#include "gateway/gatekeeper.hpp"

namespace pgtide {

// Answers the gateway: credentials by the Authenticator, administrators by the policy in force. Any
// thread. `policies` outlives it.
//
// A token of a public key makes us compute a signature before it is known to be wrong (25 us of
// RSA, 600 us of P-384), so an address may waste 50 ms at once and 50 ms a second, 5 % of a core,
// and all addresses together no more than that; past the sum, one signature of each address that
// has wasted none for ten seconds, and for all of these as much again: who comes for the first time
// in the midst of a crowd's attack has a token that is known to nobody yet. Past it no signature
// is computed, but that locks out no user who was let in before (the
// token is known), nor tokens of a secret nor API keys, which are never counted: they cost less
// than the request that brings them. What is not a JWT, names no key of ours or has a signature of
// another length was never computed, and is not counted either. (Rejected: a count of refusals.
// Seventy malformed tokens, which cost nothing, locked out a whole network.)
class Doorkeeper final : public Gatekeeper {
 public:
  Doorkeeper(std::shared_ptr<const Authenticator> authenticator, const PolicyKeeper& policies)
      : authenticator_(std::move(authenticator)), policies_(policies) {}

  Result<Identity> by_token(std::string_view token, std::string_view address) const override;
  Result<Identity> by_key(std::string_view key, std::string_view address) const override;
  bool still_accepts(const Principal& user, KeyPrint key) const override;
  bool administers(const Principal* user) const override;

 private:
  static constexpr SharedBudget::Rate wasted_ms_rate{50, 50};
  static constexpr std::chrono::seconds newcomer_interval{10};

  std::shared_ptr<const Authenticator> authenticator_;
  const PolicyKeeper& policies_;
  mutable SharedBudget wasted_ms_{wasted_ms_rate, wasted_ms_rate, newcomer_interval};
};

// Looks every second whether a key's file is another than before, where there are files at all, and
// tries again what could not be read. A thread of its own, since a file may lie on a slow disk;
// what it finds is logged, and `changed` called, there.
class KeyWatch {
 public:
  KeyWatch(std::shared_ptr<Authenticator> authenticator, std::function<void()> changed);
  ~KeyWatch();
  KeyWatch(const KeyWatch&) = delete;
  KeyWatch& operator=(const KeyWatch&) = delete;

 private:
  void run();

  void look();

  std::shared_ptr<Authenticator> authenticator_;
  std::function<void()> changed_;
  std::string told_{};  // of the fault that lasts
  std::mutex mutex_;
  std::condition_variable woken_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace pgtide
