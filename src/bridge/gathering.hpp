#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace pgtide {

// Waits for one answer from each of `count` shards, which come on their own threads in any order,
// then calls `done` once with all of them in the shards' order, on the thread of the last.
template <class Answer>
class Gathering : public std::enable_shared_from_this<Gathering<Answer>> {
 public:
  using Done = std::function<void(std::vector<Answer>)>;

  Gathering(std::size_t count, Done done) : answers_(count), open_(count), done_(std::move(done)) {}

  // The callback for shard `index`.
  std::function<void(Answer)> slot(std::size_t index) {
    return [self = this->shared_from_this(), index](Answer answer) {
      self->put(index, std::move(answer));
    };
  }

 private:
  void put(std::size_t index, Answer answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_[index] = std::move(answer);
      if (--open_ > 0) return;
    }
    done_(std::move(answers_));
  }

  std::mutex mutex_;
  std::vector<Answer> answers_;
  std::size_t open_;
  Done done_;
};

}  // namespace pgtide
