#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "support/client_frame.hpp"
#include "support/crowd.hpp"
#include "support/serving.hpp"

// Very many anonymous clients of one kind, each of which makes the program hold as much as it can,
// under a small limits.memory_bytes: the program stays below it and a stated rest, and a hundred
// readers beside them lose nothing. PGTIDE_TEST_CROWD says how many.
using namespace pgtide::test;

namespace {

constexpr std::size_t limit_bytes = 134'217'728;
// What comes on top of limits.memory_bytes: the program itself, pieces of the log on their way, and
// what the allocator keeps beside the bytes that it was asked for.
constexpr std::size_t rest_bytes = 134'217'728;
constexpr std::size_t healthy_readers = 100;

// Each socket's stream, read by a thread as it comes: how often it held what is counted.
class Audience {
 public:
  Audience(const std::string& address, std::size_t size, int receive_buffer = 0) {
    for (std::size_t n = 0; n < size; ++n) {
      sockets_.push_back(connect_to(address, receive_buffer));
    }
  }
  ~Audience() {
    stop();
    for (const int socket : sockets_) {
      const linger at_once{1, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(socket);
    }
  }
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  std::size_t size() const { return sockets_.size(); }
  // What the peer no longer takes is dropped.
  void say(std::size_t n, const std::string& words) {
    (void)!::send(sockets_[n], words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  void say_all(const std::string& words) {
    for (std::size_t n = 0; n < size(); ++n) say(n, words);
  }

  // Reads all of them promptly from now on; counts `wanted` and `unwanted` in each stream.
  void listen(std::string wanted, std::string unwanted) {
    heard_ = std::vector<Heard>(size());
    reading_ = std::thread([this, wanted = std::move(wanted), unwanted = std::move(unwanted)] {
      read_on(wanted, unwanted);
    });
  }
  void stop() {
    stopping_ = true;
    if (reading_.joinable()) reading_.join();
  }
  std::size_t fewest_wanted() const {
    std::size_t fewest = SIZE_MAX;
    for (const Heard& one : heard_) fewest = std::min<std::size_t>(fewest, one.wanted);
    return fewest;
  }
  std::size_t unwanted() const {
    std::size_t all = 0;
    for (const Heard& one : heard_) all += one.unwanted;
    return all;
  }

 private:
  struct Heard {
    std::atomic<std::size_t> wanted = 0;
    std::atomic<std::size_t> unwanted = 0;
    std::string rest{};  // what may be the beginning of one of them
    Heard() = default;
    Heard(Heard&&) noexcept {}
  };
  static std::size_t count(std::string_view text, std::string_view part) {
    std::size_t times = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++times;
    return times;
  }
  void read_on(const std::string& wanted, const std::string& unwanted) {
    const int queue = ::epoll_create1(EPOLL_CLOEXEC);
    for (std::size_t n = 0; n < size(); ++n) {
      epoll_event event{.events = EPOLLIN, .data = {.u64 = n}};
      ::epoll_ctl(queue, EPOLL_CTL_ADD, sockets_[n], &event);
    }
    std::vector<epoll_event> ready(256);
    while (!stopping_) {
      const int some = ::epoll_wait(queue, ready.data(), static_cast<int>(ready.size()), 20);
      for (int i = 0; i < some; ++i) {
        read_some(queue, ready[static_cast<std::size_t>(i)].data.u64, wanted, unwanted);
      }
    }
    ::close(queue);
  }
  void read_some(int queue, std::size_t n, const std::string& wanted,
                 const std::string& unwanted) {
    char bytes[65'536];
    const ssize_t read = ::recv(sockets_[n], bytes, sizeof bytes, MSG_DONTWAIT);
    if (read <= 0) {
      if (read == 0 || errno != EAGAIN) ::epoll_ctl(queue, EPOLL_CTL_DEL, sockets_[n], nullptr);
      return;
    }
    if (wanted.empty()) return;
    Heard& one = heard_[n];
    one.rest.append(bytes, static_cast<std::size_t>(read));
    one.wanted += count(one.rest, wanted);
    one.unwanted += count(one.rest, unwanted);
    // Too short for either of them to be counted twice.
    const std::size_t kept = std::min(wanted.size(), unwanted.size()) - 1;
    if (one.rest.size() > kept) one.rest.erase(0, one.rest.size() - kept);
  }

  std::vector<int> sockets_{};
  std::vector<Heard> heard_{};
  std::thread reading_{};
  std::atomic<bool> stopping_ = false;
};

std::string subscribe(const std::string& pattern) {
  return masked(0x81, R"({"type":"subscribe","pattern":")" + pattern + "\"}");
}

// The program under a small limit, with its healthy readers.
struct CrowdedHall {
  explicit CrowdedHall(std::vector<std::string> arguments = {}) {
    (void)crowd_size(0);
    arguments.insert(arguments.end(),
                     {"--limits.connections", "30000", "--limits.connections-per-address", "30000",
                      "--limits.connections-per-second", "0",
                      "--limits.connections-per-second-per-address", "0",
                      "--limits.memory-bytes", std::to_string(limit_bytes)});
    serving.emplace(stage, "port", arguments);
    healthy.emplace(serving->address(), healthy_readers);
    healthy->say_all(crowd_handshake);
    healthy->listen("\"record_id\"", "resync_required");
    eventually([&] { return metric("pgtide_connections") == healthy_readers; }, patience);
    healthy->say_all(subscribe("posts.*"));
    eventually([&] { return metric("pgtide_subscriptions") == healthy_readers; }, patience);
  }
  double metric(const std::string& name) const { return metric_of(serving->address(), name); }
  // One statement of tiny rows.
  void insert(std::size_t rows) {
    stage.database.run("insert into posts select n, 't' from generate_series(" +
                       std::to_string(inserted + 1) + ", " + std::to_string(inserted + rows) +
                       ") n");
    inserted += rows;
  }
  void update(std::size_t rows) {
    stage.database.run("update posts set title = title || 'x' where id <= " +
                       std::to_string(rows));
    inserted += rows;
  }
  void check() {
    eventually([&] { return healthy->fewest_wanted() >= inserted; }, patience * 4);
    CHECK(healthy->fewest_wanted() == inserted);
    CHECK(healthy->unwanted() == 0);
    const std::size_t peak = serving->peak_bytes();
    CAPTURE(peak);
#ifndef PGTIDE_SANITIZE
    CHECK(peak < limit_bytes + rest_bytes);
#endif
    double counted = 0;
    for (const char* kind : {"frames", "backlogs", "replies", "subscriptions", "connections",
                             "messages"}) {
      counted += metric("pgtide_memory_bytes{kind=\"" + std::string(kind) + "\"}");
    }
    CHECK(counted < 1.25 * static_cast<double>(limit_bytes));
    MESSAGE("peak ", peak / 1'048'576, " MiB, counted now ", counted / 1'048'576, " MiB");
  }

  Stage stage;
  std::optional<Serving> serving;
  std::optional<Audience> healthy;
  std::size_t inserted = 0;  // and updated
};

// Each holds all posts and one of its own, which makes what it gets of a statement its own.
void subscribe_own(CrowdedHall& hall, Audience& crowd, std::size_t classes) {
  crowd.say_all(crowd_handshake);
  const auto wait_for = [&](const char* what, double count) {
    eventually([&] { return hall.metric(what) >= count; }, patience * 4);
  };
  wait_for("pgtide_connections", static_cast<double>(healthy_readers + crowd.size()));
  for (std::size_t n = 0; n < crowd.size(); ++n) {
    crowd.say(n, subscribe("posts.*") + subscribe("posts." + std::to_string(1 + n % classes)));
  }
  wait_for("pgtide_subscriptions", static_cast<double>(healthy_readers + 2 * crowd.size()));
}

}  // namespace

TEST_CASE("memory: those who never read leave it to the readers beside them") {
  CrowdedHall hall;
  Audience crowd(hall.serving->address(), crowd_size(5'000), 4'096);
  const std::size_t rows = std::min<std::size_t>(2'000, crowd.size());
  subscribe_own(hall, crowd, rows);
  hall.insert(rows);
  hall.check();
  hall.update(rows);
  hall.check();
}

TEST_CASE("memory: those who read promptly, each a class of its own, are served class by class") {
  CrowdedHall hall;
  Audience crowd(hall.serving->address(), crowd_size(5'000));
  crowd.listen("", "");
  const std::size_t rows = std::min<std::size_t>(2'000, crowd.size());
  subscribe_own(hall, crowd, rows);
  hall.insert(rows);
  hall.check();
  hall.update(rows);
  hall.check();
}

TEST_CASE("memory: past the limit filters are answered server_busy") {
  // On a slow machine what they ask takes longer than the shipped heartbeat waits for a pong.
  CrowdedHall hall({"--limits.requests-per-second", "1000000", "--heartbeat.interval", "5m"});
  Audience crowd(hall.serving->address(), crowd_size(5'000));
  crowd.say_all(crowd_handshake);
  crowd.listen("", "");
  for (std::size_t n = 0; n < crowd.size(); ++n) {
    std::string items;
    for (int item = 0; item < 100; ++item) {
      std::string filter;
      for (int term = 0; term < 15; ++term) {
        filter += (filter.empty() ? "" : " || ") + std::string("record.id == ") +
                  std::to_string((n * 100 + static_cast<std::size_t>(item)) * 15 +
                                 static_cast<std::size_t>(term) + 1'000'000'000'000);
      }
      items += (items.empty() ? "" : ",") + std::string(R"({"pattern":"posts.)") +
               std::to_string(item) + R"(","filter":")" + filter + "\"}";
    }
    crowd.say(n, masked(0x81, R"({"type":"subscribe","subscriptions":[)" + items + "]}"));
  }
  eventually(
      [&] {
        return hall.metric("pgtide_memory_steps_total{step=\"subscription_refused\"}") > 0;
      },
      patience * 4);
  CHECK(hall.metric("pgtide_errors_total{code=\"server_busy\"}") > 0);
  hall.insert(2'000);
  hall.check();
}

TEST_CASE("memory: replies that nobody reads do not heap up") {
  CrowdedHall hall;
  Audience crowd(hall.serving->address(), crowd_size(5'000), 4'096);
  crowd.say_all(crowd_handshake);
  std::string items;
  for (int item = 0; item < 100; ++item) {
    items += (items.empty() ? "" : ",") + std::string(R"({"pattern":"no pattern"})");
  }
  for (int message = 0; message < 10; ++message) {
    crowd.say_all(masked(0x81, R"({"type":"subscribe","subscriptions":[)" + items + "]}"));
  }
  const auto said = static_cast<double>(10 * crowd.size());
  eventually([&] { return hall.metric("pgtide_requests_refused_total") >= said; }, patience * 4);
  hall.insert(2'000);
  hall.check();
}

TEST_CASE("memory: heads that are never finished are counted, and leave the readers alone") {
  constexpr std::size_t head_bytes = 15'900;
  CrowdedHall hall({"--limits.handshake-timeout", "60s"});
  Audience crowd(hall.serving->address(), crowd_size(5'000));
  crowd.say_all(crowd_handshake.substr(0, crowd_handshake.size() - 2) + "X-Padding: " +
                std::string(head_bytes, 'x'));
  const auto all = static_cast<double>(crowd.size() * head_bytes);
  eventually([&] { return hall.metric("pgtide_memory_bytes{kind=\"connections\"}") >= all; },
             patience * 4);
  hall.insert(2'000);
  hall.check();
}
