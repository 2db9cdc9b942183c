#pragma once
#include <cstddef>
#include <deque>
#include <set>
#include <string>
#include <utility>

#include "model/text_map.hpp"

namespace pgtide {

// Accepted sockets that wait to be served, by turns of those they come from: a crowd from one
// address, or from two hundred, holds up itself, and a newcomer by one socket of each. Where there
// are too many the latest of whoever has the most go. Owned by its thread; closes nothing.
class Arrivals {
 public:
  struct Socket {
    int native = -1;
    std::string peer{};
  };

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  void push(const std::string& whose, Socket socket) {
    auto& waiting = by_owner_[whose];
    if (waiting.empty()) next_.push_back(whose);
    ranked_.erase({waiting.size(), whose});
    waiting.push_back(std::move(socket));
    ranked_.emplace(waiting.size(), whose);
    ++size_;
  }
  // Not where it is empty.
  Socket pop() {
    const std::string whose = std::move(next_.front());
    next_.pop_front();
    Socket socket = take_of(whose, true);
    if (by_owner_.contains(whose)) next_.push_back(whose);
    return socket;
  }
  // The latest of whoever has the most. Not where it is empty.
  Socket pop_crowd() {
    const std::string whose = ranked_.rbegin()->second;
    Socket socket = take_of(whose, false);
    if (!by_owner_.contains(whose)) std::erase(next_, whose);
    return socket;
  }

 private:
  Socket take_of(const std::string& whose, bool first) {
    const auto found = by_owner_.find(whose);
    auto& waiting = found->second;
    ranked_.erase({waiting.size(), whose});
    Socket socket = std::move(first ? waiting.front() : waiting.back());
    if (first) {
      waiting.pop_front();
    } else {
      waiting.pop_back();
    }
    --size_;
    if (waiting.empty()) {
      by_owner_.erase(found);
    } else {
      ranked_.emplace(waiting.size(), whose);
    }
    return socket;
  }

  std::deque<std::string> next_{};  // those whose sockets wait, each once
  TextMap<std::deque<Socket>> by_owner_{};
  std::set<std::pair<std::size_t, std::string>> ranked_{};  // by how many wait
  std::size_t size_ = 0;
};

}  // namespace pgtide
