#include "bridge/doorkeeper.hpp"

#include <spdlog/spdlog.h>

namespace pgtide {
namespace {

constexpr std::chrono::seconds look_interval{1};

}  // namespace

Result<Identity> Doorkeeper::by_token(std::string_view token, std::string_view address) const {
  const auto now = std::chrono::steady_clock::now();
  Effort effort{.none = !wasted_ms_.has_left(address, now)};
  Result<Identity> known =
      authenticator_->verify_token(token, std::chrono::system_clock::now(), effort);
  if (effort.wasted.count() > 0) {
    const std::chrono::duration<double, std::milli> wasted = effort.wasted;
    wasted_ms_.spend(address, now, wasted.count());
  }
  return known;
}

Result<Identity> Doorkeeper::by_key(std::string_view key, std::string_view) const {
  return authenticator_->verify_key(key);
}

bool Doorkeeper::still_accepts(const Principal& user, KeyPrint key) const {
  return authenticator_->still_accepts(user, key);
}

bool Doorkeeper::administers(const Principal* user) const {
  return policies_.current()->may_everything(user);
}

KeyWatch::KeyWatch(std::shared_ptr<Authenticator> authenticator, std::function<void()> changed)
    : authenticator_(std::move(authenticator)), changed_(std::move(changed)) {
  if (authenticator_->has_files()) thread_ = std::thread([this] { run(); });
}

KeyWatch::~KeyWatch() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  woken_.notify_one();
  thread_.join();
}

void KeyWatch::run() {
  std::unique_lock lock(mutex_);
  while (!woken_.wait_for(lock, look_interval, [this] { return stopped_; })) look();
}

void KeyWatch::look() {
  const auto reloaded = authenticator_->reload_if_changed();
  if (!reloaded) {
    const std::string fault = reloaded.error().to_string();
    if (fault != told_) spdlog::error("the old keys stay in force:\n{}", fault);
    told_ = fault;
    return;
  }
  told_.clear();
  if (!*reloaded) return;
  spdlog::info("keys of auth.jwt loaded anew");
  const std::string warnings = authenticator_->key_warnings();
  if (!warnings.empty()) spdlog::warn("tokens of these keys are refused:\n{}", warnings);
  changed_();
}

}  // namespace pgtide
