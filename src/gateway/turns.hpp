#pragma once
#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "broker/origins.hpp"

namespace pgtide {

// What clients have asked and what is not yet begun, by turns of their addresses: one that asks for
// much, by however many connections, holds up itself, and each other by one thing each time. The
// things of one address are done in their order. Owned by its shard's thread.
class Turns {
 public:
  using Call = std::function<void()>;

  bool empty() const { return next_.empty(); }
  void push(OriginNumber origin, Call call) {
    auto& asked = asked_[origin];
    if (asked.empty()) next_.push_back(origin);
    asked.push_back(std::move(call));
  }
  // Not where it is empty.
  Call pop() {
    const OriginNumber origin = next_.front();
    next_.pop_front();
    const auto asked = asked_.find(origin);
    Call call = std::move(asked->second.front());
    asked->second.pop_front();
    if (asked->second.empty()) {
      asked_.erase(asked);
    } else {
      next_.push_back(origin);
    }
    return call;
  }
  void clear() {
    next_.clear();
    asked_.clear();
  }

 private:
  std::deque<OriginNumber> next_{};  // those that have asked, each once
  std::map<OriginNumber, std::deque<Call>> asked_{};
};

}  // namespace pgtide
