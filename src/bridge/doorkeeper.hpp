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
#include "bridge/refusal_budget.hpp"
#include "gateway/gatekeeper.hpp"

namespace pgtide {

// Answers the gateway: credentials by the Authenticator, administrators by the policy in force. Any
// thread. `policies` outlives it.
class Doorkeeper final : public Gatekeeper {
 public:
  Doorkeeper(std::shared_ptr<const Authenticator> authenticator, const PolicyKeeper& policies)
      : authenticator_(std::move(authenticator)), policies_(policies) {}

  Result<Identity> by_token(std::string_view token, std::string_view address) const override;
  Result<Identity> by_key(std::string_view key, std::string_view address) const override;
  bool still_accepts(const Principal& user, std::string_view key) const override;
  bool administers(const Principal* user) const override;

 private:
  std::shared_ptr<const Authenticator> authenticator_;
  const PolicyKeeper& policies_;
  mutable RefusalBudget refusals_;
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
