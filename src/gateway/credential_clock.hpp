#pragma once
#include <chrono>
#include <optional>

namespace pgtide {

// When one connection's credential ends (PROTOCOL 1.5): no I/O, no clock.
//
// At the token's end its client is told; after `leeway` the connection ends, unless a new one was
// sent. A connection that still owes its credential ends after a time without being told.
class CredentialClock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Step { wait, tell, end };

  // No credential came yet, and one must until then.
  void await(Time until) {
    tell_at_ = Time::max();
    end_at_ = until;
  }
  // A credential that ends at `ends`; none: never.
  void accept(std::optional<Time> ends, std::chrono::milliseconds leeway) {
    tell_at_ = ends.value_or(Time::max());
    end_at_ = ends ? *ends + leeway : Time::max();
  }
  // When step() wants to be called again.
  Time due() const { return tell_at_ < end_at_ ? tell_at_ : end_at_; }
  Step step(Time now) {
    if (now >= tell_at_) {
      tell_at_ = Time::max();
      return Step::tell;
    }
    return now >= end_at_ ? Step::end : Step::wait;
  }

 private:
  Time tell_at_ = Time::max();
  Time end_at_ = Time::max();
};

}  // namespace pgtide
