#pragma once
#include <cstdint>

namespace pgtide::bench {

// Which numbers of a stream somebody sees: all those that leave `rest` when divided by `step`.
struct Share {
  std::uint64_t step = 1;
  std::uint64_t rest = 0;

  std::uint64_t first_after(std::uint64_t number) const {
    return number + 1 + (step + rest - (number + 1) % step) % step;
  }
};

// What a subscriber has to see of a stream whose changes are numbered from 1 on: each number of his
// share, once, in order.
class StreamCheck {
 public:
  explicit StreamCheck(Share share = {}) : share_(share) {}

  // The subscription is live: what is begun after `begun` has to come. Earlier ones may, and from
  // the first that does on, all.
  void start(std::uint64_t begun) {
    next_ = share_.first_after(begun);
    seen_ = 0;
  }
  void note(std::uint64_t number) {
    if (number % share_.step != share_.rest) {
      ++strays_;
    } else if (number <= seen_) {
      ++repeated_;
    } else {
      if (number > next_) lost_ += (number - next_) / share_.step;
      seen_ = number;
      next_ = number + share_.step;
    }
  }
  // Nothing comes behind `last` any more: is all there that had to come?
  bool complete(std::uint64_t last) const { return next_ > last; }
  void end(std::uint64_t last) {
    if (!complete(last)) lost_ += (last - next_) / share_.step + 1;
  }

  std::uint64_t lost() const { return lost_; }
  std::uint64_t repeated() const { return repeated_; }
  std::uint64_t strays() const { return strays_; }

 private:
  Share share_;
  std::uint64_t next_ = 1;
  std::uint64_t seen_ = 0;
  std::uint64_t lost_ = 0, repeated_ = 0, strays_ = 0;
};

}  // namespace pgtide::bench
