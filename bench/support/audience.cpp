#include "support/audience.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "support/readers.hpp"
#include "support/socket.hpp"

namespace pgtide::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t turn_bytes = 64 * 1024;
constexpr std::uint64_t sample_every = 64;
constexpr std::chrono::seconds silence_max{30};
// So many come at most in one turn, for a visitor's handshake is waited for.
constexpr int arrivals_max = 50;

bool is_event(std::string_view text) {
  return is_record_event(text) || text.starts_with(R"({"type":"custom_event")");
}

void reset_on_close(int socket) {
  const linger none{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

}  // namespace

Audience::Audience(Plan plan)
    : plan_(std::move(plan)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      visitors_(plan_.seats.size()),
      buffer_(turn_bytes) {
  for (std::size_t who = 0; who < visitors_.size(); ++who) {
    for (const auto& [stream, share] : plan_.seats[who].streams) {
      visitors_[who].checks.emplace(stream, StreamCheck(share));
    }
  }
}

Audience::~Audience() {
  leave();
  close(epoll_);
}

void Audience::leave() {
  for (std::size_t who = 0; who < visitors_.size(); ++who) {
    if (visitors_[who].socket >= 0) drop(who);
  }
}

void Audience::attend(const std::atomic<bool>& ending) {
  while (!ending) turn(true);
}

void Audience::hear_the_end() {
  for (Visitor& visitor : visitors_) {
    if (visitor.socket < 0) visitor.due = Clock::now();
  }
  heard_at_ = Clock::now();
  while (!all_heard() && Clock::now() - heard_at_ < silence_max) turn(false);
  for (Visitor& visitor : visitors_) {
    for (auto& [stream, check] : visitor.checks) check.end(plan_.begun(stream));
  }
}

bool Audience::all_heard() const {
  for (const Visitor& visitor : visitors_) {
    if (!visitor.live) return false;
    for (const auto& [stream, check] : visitor.checks) {
      if (!check.complete(plan_.begun(stream))) return false;
    }
  }
  return true;
}

Audience::Tally Audience::tally() const {
  Tally sum = tally_;
  for (const Visitor& visitor : visitors_) {
    for (const auto& [stream, check] : visitor.checks) {
      sum.lost += check.lost();
      sum.repeated += check.repeated();
      sum.strays += check.strays();
    }
  }
  return sum;
}

void Audience::turn(bool leaving) {
  std::array<epoll_event, 256> ready;
  const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 20);
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  for (int i = 0; i < count; ++i) read_some(ready[static_cast<std::size_t>(i)].data.u64);
  int arrivals = 0;
  const auto now = Clock::now();
  for (std::size_t who = 0; who < visitors_.size(); ++who) {
    if (visitors_[who].due > now) continue;
    if (visitors_[who].socket >= 0) {
      if (leaving) go(who);
    } else if (++arrivals <= arrivals_max) {
      come(who);
    }
  }
}

void Audience::come(std::size_t who) {
  Visitor& visitor = visitors_[who];
  visitor.socket = connect_to(plan_.address);
  visitor.live = false;
  visitor.stream = {};
  visitor.due = Clock::now() + about(plan_.stay);
  const std::string behind = upgrade(visitor.socket, plan_.address, "");
  visitor.stream.feed(behind, [&](const ServerFrame& frame) { take(who, frame); });
  send_all(visitor.socket, masked_frame(text_opcode, R"({"type":"subscribe","pattern":")" +
                                                         plan_.seats[who].pattern + "\"}"));
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.u64 = who;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, visitor.socket, &wanted) != 0) fail("epoll_ctl");
  ++tally_.visits;
}

// With a close frame, without one, or with a reset, as people, programs and machines do.
void Audience::go(std::size_t who) {
  Visitor& visitor = visitors_[who];
  switch (random_() % 3) {
    case 0: send_all(visitor.socket, masked_frame(close_opcode, "\x03\xe8")); break;
    case 1: reset_on_close(visitor.socket); break;
    default: break;
  }
  drop(who);
}

void Audience::drop(std::size_t who) {
  Visitor& visitor = visitors_[who];
  close(visitor.socket);
  visitor.socket = -1;
  visitor.live = false;
  visitor.due = Clock::now() + about(plan_.pause);
}

void Audience::read_some(std::size_t who) {
  Visitor& visitor = visitors_[who];
  if (visitor.socket < 0) return;
  const ssize_t got = recv(visitor.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    ++tally_.closed_by_server;
    drop(who);
    return;
  }
  visitor.stream.feed({buffer_.data(), static_cast<std::size_t>(got)},
                      [&](const ServerFrame& frame) { take(who, frame); });
}

void Audience::take(std::size_t who, const ServerFrame& frame) {
  Visitor& visitor = visitors_[who];
  if (frame.opcode == text_opcode) take_text(visitor, frame.payload);
  if (frame.opcode == ping_opcode) {
    send_all(visitor.socket, masked_frame(pong_opcode, frame.payload));
  }
}

void Audience::take_text(Visitor& visitor, std::string_view text) {
  if (text.starts_with(R"({"type":"subscribed")")) {
    visitor.live = true;
    start_checks(visitor);
  }
  if (text.starts_with(R"({"type":"error")")) ++tally_.errors;
  if (text.starts_with(R"({"type":"resync_required")")) {
    ++tally_.resyncs;
    start_checks(visitor);
  }
  if (!visitor.live || !is_event(text)) return;  // before `subscribed` comes what is for all
  heard_at_ = Clock::now();
  if (++tally_.events % sample_every == 0) age_ms_.add(pgtide::bench::age_ms(text));
  const Mark mark = plan_.mark_of(text);
  const auto check = visitor.checks.find(mark.stream);
  if (check == visitor.checks.end()) {
    ++tally_.strays;
  } else {
    check->second.note(mark.number);
  }
}

void Audience::start_checks(Visitor& visitor) {
  for (auto& [stream, check] : visitor.checks) check.start(plan_.begun(stream));
}

Audience::Clock::duration Audience::about(milliseconds mean) {
  std::exponential_distribution<double> spread(1.0 / static_cast<double>(mean.count()));
  return std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double, std::milli>(spread(random_)));
}

}  // namespace pgtide::bench
