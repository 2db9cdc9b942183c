#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace pgtide::bench {

// What each connection of a crowd does, again and again.
struct Mischief {
  std::string name{};
  // Its first bytes; empty: it only connects.
  std::function<std::string()> opening{};
  // What it sends upon each answer; empty: it leaves, and comes again.
  std::function<std::string()> next{};
};

// Clients that mean harm: one thread, connections to one bridge, each from an address of its own of
// 127.0.0.0/8 or all from one. Bounded: so many connections, and at most so many steps a second
// (connections that are opened and requests that are sent), until it is destroyed.
class Crowd {
 public:
  static constexpr std::size_t steps_per_second_max = 20'000;

  struct Plan {
    std::string address{};  // the bridge's, "127.0.0.1:40123"
    std::size_t connections = 200;
    bool many_addresses = false;
  };
  Crowd(Plan plan, Mischief mischief);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  std::uint64_t steps() const { return steps_; }  // so far

 private:
  struct Connection {
    int socket = -1;
    std::string unsent{};
  };
  void run();
  void open(std::size_t number);
  void come_again(std::size_t number);
  void step(std::size_t number, unsigned events);
  void go_on(std::size_t number);
  void send_rest(std::size_t number);
  void watch(std::size_t number, int operation) const;
  bool may_step();

  const Plan plan_;
  const Mischief mischief_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<std::size_t> due_{};  // to be opened or to go on, when there is a step for it
  std::chrono::steady_clock::time_point refilled_at_{};
  std::size_t steps_left_ = 0;
  std::atomic<std::uint64_t> steps_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_{};
};

}  // namespace pgtide::bench
