#include "broker/outbox.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "model/frame.hpp"

using namespace pgtide;

namespace {

std::string frame(std::string_view payload) {
  std::string text;
  append_text_frame(text, payload);
  return text;
}

SharedRun run(const std::vector<std::string>& payloads) {
  auto made = std::make_shared<Run>();
  for (const auto& payload : payloads) append_text_frame(made->frames, payload);
  made->events = payloads.size();
  return made;
}

// Everything that waits, in writes of at most `step` bytes.
std::string drain(Outbox& outbox, std::size_t step = 1'000'000) {
  std::string written;
  while (!outbox.front().empty()) {
    const std::string_view some = outbox.front().substr(0, step);
    written += some;
    outbox.consume(some.size());
  }
  return written;
}

std::string take(Outbox& outbox, std::size_t bytes) {
  const std::string written(outbox.front().substr(0, bytes));
  outbox.consume(written.size());
  return written;
}

}  // namespace

TEST_CASE("outbox: runs and replies leave in the order they came, whatever a write takes") {
  for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) {
    Outbox outbox(1000);
    CHECK(outbox.empty());
    CHECK(outbox.push_run(run({"one", "two"})));
    outbox.push_reply(frame("reply"));
    CHECK(outbox.push_run(run({"three"})));
    CHECK_FALSE(outbox.empty());
    CHECK(drain(outbox, step) == frame("one") + frame("two") + frame("reply") + frame("three"));
    CHECK(outbox.empty());
    CHECK(outbox.backlog_bytes() == 0);
    CHECK(outbox.reply_bytes() == 0);
    CHECK_FALSE(outbox.take_recovered());
  }
}

TEST_CASE("outbox: the backlog counts unsent bytes of events, replies count apart") {
  Outbox outbox(20);
  CHECK(outbox.push_run(run({"12345678"})));  // 10 bytes
  outbox.push_reply(frame("123"));            // 5 bytes
  CHECK(outbox.backlog_bytes() == 10);
  CHECK(outbox.reply_bytes() == 5);
  CHECK(outbox.push_run(run({"1"})));
  CHECK(outbox.backlog_bytes() == 13);
  take(outbox, 4);
  CHECK(outbox.backlog_bytes() == 9);
  outbox.push_reply("");
  CHECK(outbox.reply_bytes() == 5);
}

TEST_CASE("outbox: a control frame overtakes whole frames and never cuts one") {
  Outbox outbox(1000);
  outbox.push_run(run({"one", "two"}));
  outbox.push_reply(frame("reply"));

  SUBCASE("before the first byte it goes first") {
    outbox.push_control("PONG", 7);
    CHECK(outbox.front() == "PONG");
    CHECK(outbox.consume(2) == 0);
    CHECK(outbox.front() == "NG");
    CHECK(outbox.consume(2) == 7);
    CHECK(drain(outbox) == frame("one") + frame("two") + frame("reply"));
  }
  SUBCASE("inside a frame it waits for the frame's end") {
    take(outbox, 2);
    outbox.push_control("PONG", 7);
    CHECK(outbox.front() == "one");
    CHECK(outbox.consume(3) == 0);
    CHECK(drain(outbox) == "PONG" + frame("two") + frame("reply"));
  }
  SUBCASE("between two frames of a run it goes at once") {
    take(outbox, frame("one").size());
    outbox.push_control("PONG", 7);
    CHECK(drain(outbox, 1) == "PONG" + frame("two") + frame("reply"));
  }
  SUBCASE("several keep their order, and each gives its ticket back") {
    take(outbox, 1);
    outbox.push_control("PING", 1);
    outbox.push_control("BYE", 2);
    CHECK(outbox.consume(outbox.front().size()) == 0);
    CHECK(outbox.consume(4) == 1);
    CHECK(outbox.front() == "BYE");
    CHECK(outbox.consume(3) == 2);
    CHECK(drain(outbox) == frame("two") + frame("reply"));
  }
  SUBCASE("alone in an empty outbox") {
    drain(outbox);
    outbox.push_control("BYE", 3);
    CHECK_FALSE(outbox.empty());
    CHECK(outbox.consume(3) == 3);
    CHECK(outbox.empty());
  }
}

TEST_CASE("outbox: past its limit a connection drops its events and keeps its replies") {
  Outbox outbox(20);
  outbox.push_reply(frame("a"));
  CHECK(outbox.push_run(run({"12345678"})));
  outbox.push_reply(frame("b"));
  CHECK(outbox.push_run(run({"123", "1"})));
  CHECK_FALSE(outbox.push_run(run({"x", "y", "z"})));
  CHECK(outbox.behind());
  CHECK(outbox.backlog_bytes() == 0);
  CHECK(outbox.dropped_events() == 6);
  CHECK_FALSE(outbox.push_run(run({"later"})));
  CHECK(outbox.dropped_events() == 7);
  CHECK_FALSE(outbox.take_recovered());
  CHECK(drain(outbox) == frame("a") + frame("b"));
  CHECK_FALSE(outbox.push_run(run({"too early: the notice comes first"})));
  CHECK(outbox.take_recovered());
  CHECK_FALSE(outbox.take_recovered());
  CHECK(outbox.push_run(run({"again"})));
  CHECK(drain(outbox) == frame("again"));
}

TEST_CASE("outbox: a frame that is half on the wire when the connection falls is finished") {
  Outbox outbox(20);
  CHECK(outbox.push_run(run({"one", "two", "tre"})));
  CHECK(take(outbox, 6) == frame("one") + frame("two").substr(0, 1));
  CHECK_FALSE(outbox.push_run(run({"twelve bytes"})));
  CHECK(outbox.dropped_events() == 2);
  CHECK(outbox.backlog_bytes() == 4);
  outbox.push_control("PONG", 1);
  CHECK(drain(outbox) == frame("two").substr(1) + "PONG");
  CHECK(outbox.take_recovered());
}

TEST_CASE("outbox: a fall between two frames sends nothing more of the run") {
  Outbox outbox(20);
  CHECK(outbox.push_run(run({"one", "two", "tre"})));
  take(outbox, frame("one").size());
  CHECK_FALSE(outbox.push_run(run({"twelve bytes"})));
  CHECK(outbox.empty());
  CHECK(outbox.take_recovered());
}

TEST_CASE("outbox: a run larger than the limit is taken when no other event waits") {
  Outbox outbox(4);
  CHECK(outbox.push_run(run({"longer than the limit"})));
  CHECK_FALSE(outbox.push_run(run({"x"})));
  CHECK(outbox.behind());
}

// The naive model: a list of frames, each with what is written of it.
namespace {

struct NaiveFrame {
  std::string bytes;
  enum Kind { event, reply, control } kind;
  std::size_t ticket = 0;
};

class NaiveOutbox {
 public:
  explicit NaiveOutbox(std::size_t limit) : limit_(limit) {}

  bool push_run(const Run& pushed) {
    std::size_t waiting = 0;
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      if (frames_[i].kind == NaiveFrame::event) waiting += frames_[i].bytes.size() - written(i);
    }
    if (!behind_ && waiting != 0 && waiting + pushed.frames.size() > limit_) {
      behind_ = true;
      std::deque<NaiveFrame> kept;
      for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (frames_[i].kind != NaiveFrame::event || written(i) > 0) kept.push_back(frames_[i]);
      }
      dropped += frames_.size() - kept.size();
      frames_ = kept;
    }
    if (behind_) {
      dropped += pushed.events;
      return false;
    }
    push_frames(pushed.frames, NaiveFrame::event);
    return true;
  }
  void push_frames(std::string_view text, NaiveFrame::Kind kind) {
    while (!text.empty()) {
      const std::size_t size = frame_size_at(text);
      frames_.push_back({std::string(text.substr(0, size)), kind});
      text.remove_prefix(size);
    }
  }
  // After the frame that is half written and the controls that wait already.
  void push_control(std::string text, std::size_t ticket) {
    std::size_t place = at_ > 0 && frames_.front().kind != NaiveFrame::control ? 1 : 0;
    while (place < frames_.size() && frames_[place].kind == NaiveFrame::control) ++place;
    frames_.insert(frames_.begin() + static_cast<std::ptrdiff_t>(place),
                   {std::move(text), NaiveFrame::control, ticket});
  }
  // Writes `bytes`, which lie in one frame or in several without a control between.
  std::string write(std::size_t bytes, std::size_t& ticket) {
    std::string written;
    ticket = 0;
    for (; bytes > 0; --bytes) {
      NaiveFrame& first = frames_.front();
      written += first.bytes[at_++];
      if (at_ < first.bytes.size()) continue;
      ticket = first.ticket;
      frames_.pop_front();
      at_ = 0;
    }
    return written;
  }
  bool take_recovered() {
    const bool recovered = behind_ && frames_.empty();
    if (recovered) behind_ = false;
    return recovered;
  }
  bool empty() const { return frames_.empty(); }
  std::size_t bytes(NaiveFrame::Kind kind) const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      if (frames_[i].kind == kind) sum += frames_[i].bytes.size() - written(i);
    }
    return sum;
  }
  std::size_t dropped = 0;

 private:
  std::size_t written(std::size_t i) const { return i == 0 ? at_ : 0; }
  std::deque<NaiveFrame> frames_;
  std::size_t limit_;
  std::size_t at_ = 0;
  bool behind_ = false;
};

class OutboxTraffic {
 public:
  explicit OutboxTraffic(unsigned seed) : random_(seed), limit_(below(300) + 1) {}

  void step() {
    switch (below(8)) {
      case 0:
      case 1:
        push_run();
        break;
      case 2:
        push_reply();
        break;
      case 3:
        if (below(4) == 0) push_control();
        break;
      case 4:
        REQUIRE(outbox_.take_recovered() == naive_.take_recovered());
        break;
      default:
        write();
        break;
    }
    REQUIRE(outbox_.empty() == naive_.empty());
    REQUIRE(outbox_.backlog_bytes() == naive_.bytes(NaiveFrame::event));
    REQUIRE(outbox_.reply_bytes() == naive_.bytes(NaiveFrame::reply));
    REQUIRE(outbox_.dropped_events() == naive_.dropped);
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  std::string payload() {
    const std::size_t bytes = below(20) == 0 ? 130 : below(12);
    return std::string(bytes, static_cast<char>('a' + letter_++ % 26));
  }

  void push_run() {
    std::vector<std::string> payloads(below(5) + 1);
    for (auto& text : payloads) text = payload();
    const SharedRun pushed = run(payloads);
    REQUIRE(outbox_.push_run(pushed) == naive_.push_run(*pushed));
  }
  void push_reply() {
    std::string frames;
    for (std::size_t i = below(3); i > 0; --i) frames += frame(payload());
    naive_.push_frames(frames, NaiveFrame::reply);
    outbox_.push_reply(frames);
  }
  void push_control() {
    const std::string text(below(3) + 1, '!');
    naive_.push_control(text, ++tickets_);
    outbox_.push_control(text, tickets_);
  }
  void write() {
    const std::string_view front = outbox_.front();
    REQUIRE(front.empty() == naive_.empty());
    if (front.empty()) return;
    const std::size_t bytes = below(2) == 0 ? front.size() : below(front.size()) + 1;
    const std::string sent(front.substr(0, bytes));
    std::size_t ticket = 0;
    REQUIRE(sent == naive_.write(bytes, ticket));
    REQUIRE(outbox_.consume(bytes) == ticket);
  }

  std::mt19937 random_;
  std::size_t limit_;
  Outbox outbox_{limit_};
  NaiveOutbox naive_{limit_};
  int letter_ = 0;
  std::size_t tickets_ = 0;
};

}  // namespace

TEST_CASE("outbox: random traffic leaves as a naive list of frames sends it") {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    OutboxTraffic traffic(seed);
    for (int i = 0; i < 400; ++i) traffic.step();
  }
}

TEST_CASE("outbox: who falls behind within a run keeps the frame it is in, and not the run") {
  Outbox outbox(1'000'000);
  SharedRun first = run({std::string(1'000, 'a'), std::string(100'000, 'b')});
  const std::string frame_in_work = frame(std::string(1'000, 'a'));
  CHECK(outbox.push_run(first));
  CHECK(outbox.push_run(run({"later"})));
  const std::string begun = take(outbox, 10);
  CHECK(outbox.give_up_backlog());
  CHECK(first.use_count() == 1);
  CHECK(outbox.behind());
  CHECK(outbox.dropped_events() == 2);
  CHECK(outbox.backlog_bytes() == frame_in_work.size() - 10);
  CHECK(outbox.unread_bytes() == frame_in_work.size() - 10);
  CHECK(outbox.reply_bytes() == 0);
  CHECK(begun + drain(outbox, 7) == frame_in_work);
  CHECK(outbox.backlog_bytes() == 0);
  CHECK(outbox.unread_bytes() == 0);
  CHECK(outbox.queue_bytes() == 0);
  CHECK(outbox.take_recovered());
}

TEST_CASE("outbox: a backlog is given up once, and only where events wait") {
  Outbox outbox(1'000);
  CHECK_FALSE(outbox.give_up_backlog());
  outbox.push_reply(frame("reply"));
  CHECK_FALSE(outbox.give_up_backlog());
  CHECK(outbox.push_run(run({"one"})));
  CHECK(outbox.give_up_backlog());
  CHECK_FALSE(outbox.give_up_backlog());
  CHECK(drain(outbox) == frame("reply"));
}
