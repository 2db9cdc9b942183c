#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/frame_stream.hpp"
#include "support/numbered_stream.hpp"
#include "support/samples.hpp"

namespace pgtide::bench {

// Subscribers who come and go, and check all the while that each of them gets what is due to him,
// from `subscribed` until he leaves. One thread at a time.
class Audience {
 public:
  // What one subscriber listens to, and which part of which streams has to come by that.
  struct Seat {
    std::string pattern{};
    std::map<unsigned, Share> streams{};  // by the stream's number
  };
  // Which stream an event's frame belongs to, and its number there.
  struct Mark {
    unsigned stream = 0;
    std::uint64_t number = 0;
  };
  struct Plan {
    std::string address{};
    std::vector<Seat> seats{};
    std::function<Mark(std::string_view frame)> mark_of{};  // for every record or custom event
    std::function<std::uint64_t(unsigned stream)> begun{};  // the last number that was begun
    std::chrono::milliseconds stay{};   // on the average
    std::chrono::milliseconds pause{};  // on the average, before one comes again
  };
  struct Tally {
    std::uint64_t events = 0;
    std::uint64_t lost = 0, repeated = 0, strays = 0;
    std::uint64_t resyncs = 0, errors = 0;  // `resync_required` and `error` that were received
    std::uint64_t closed_by_server = 0;
    std::uint64_t visits = 0;
  };

  explicit Audience(Plan plan);
  ~Audience();
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  // Comes and goes until `ending` is set.
  void attend(const std::atomic<bool>& ending);
  // Nothing is written any more: brings all back who are away and reads until each has all that is
  // due to him, or nothing comes for a while.
  void hear_the_end();
  void leave();

  Tally tally() const;
  const Samples& age_ms() const { return age_ms_; }  // of every 64th event

 private:
  using Clock = std::chrono::steady_clock;
  struct Visitor {
    int socket = -1;
    bool live = false;  // its subscription is confirmed
    Clock::time_point due{};  // when it comes or goes
    FrameStream stream{};
    std::map<unsigned, StreamCheck> checks{};
  };
  void turn(bool leaving);
  void come(std::size_t who);
  void go(std::size_t who);
  void drop(std::size_t who);
  void read_some(std::size_t who);
  void take(std::size_t who, const ServerFrame& frame);
  void take_text(Visitor& visitor, std::string_view text);
  void start_checks(Visitor& visitor);
  bool all_heard() const;
  Clock::duration about(std::chrono::milliseconds mean);

  Plan plan_;
  int epoll_ = -1;
  std::vector<Visitor> visitors_;
  std::vector<char> buffer_;
  std::mt19937_64 random_{1};
  Clock::time_point heard_at_{};
  Tally tally_;
  Samples age_ms_;
};

}  // namespace pgtide::bench
