#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "auth/authenticator.hpp"
#include "bridge/policy_keeper.hpp"
#include "gateway/gatekeeper.hpp"

namespace pgtide {

// Answers the gateway: credentials by the Authenticator, administrators by the policy in force. Any
// thread. `policies` outlives it.
class Doorkeeper final : public Gatekeeper {
 public:
  Doorkeeper(std::shared_ptr<const Authenticator> authenticator, const PolicyKeeper& policies)
      : authenticator_(std::move(authenticator)), policies_(policies) {}

  Result<Identity> by_token(std::string_view token) const override;
  Result<Identity> by_key(std::string_view key) const override;
  bool administers(const Principal* user) const override;

 private:
  std::shared_ptr<const Authenticator> authenticator_;
  const PolicyKeeper& policies_;
};

// Looks every second whether a key's file is another than before, where there are files at all. A
// thread of its own, since a file may lie on a slow disk; what it finds is logged.
class KeyWatch {
 public:
  explicit KeyWatch(std::shared_ptr<Authenticator> authenticator);
  ~KeyWatch();
  KeyWatch(const KeyWatch&) = delete;
  KeyWatch& operator=(const KeyWatch&) = delete;

 private:
  void run();

  std::shared_ptr<Authenticator> authenticator_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace pgtide
