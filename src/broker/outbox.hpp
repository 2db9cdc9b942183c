#pragma once
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "broker/run.hpp"

namespace pgtide {

// What one connection has still to be sent, in order, and the accounting of its backlog.
//
// Three kinds of things wait here: runs of events, which are shared and may be dropped when the
// reader is too slow; replies and notices, which are never dropped and are bounded by not reading
// further requests; and control frames (pong, close) of the WebSocket layer, which may overtake
// whole frames but never cut one. A run is cut at frame boundaries only: what is half on the wire
// is finished, and copied where the rest of its run is dropped, so that a stuck reader keeps one
// frame at most and not the run.
//
// A connection whose event backlog passes its limit *falls behind*: waiting events are dropped,
// later ones refused, and when the rest has drained, take_recovered() says so once; the caller
// then queues `resync_required` and events are accepted again. A run that finds no other event
// waiting is always taken, whatever its size: else a limit below one run would lock its reader out.
// Owned by its shard's thread. No I/O, no clock.
class Outbox {
 public:
  explicit Outbox(std::size_t backlog_bytes_max);

  // Events. False, and nothing is queued, while the connection is behind or when this run made it
  // fall behind.
  bool push_run(SharedRun run);
  // A reply or notice: whole text frames. Nothing happens when it is empty.
  void push_reply(std::string frames);
  // A control frame of the WebSocket layer; goes out at the next frame boundary. `ticket`, which
  // is not 0, comes back from consume() when its last byte is written.
  void push_control(std::string frame, std::size_t ticket);

  bool empty() const;
  // The next contiguous bytes to write; empty when there are none. Valid until the next call that
  // is not const.
  std::string_view front() const;
  // `bytes` of front() are written. Returns the ticket of a control frame that is now complete,
  // or 0.
  std::size_t consume(std::size_t bytes);

  // Falls behind where an event waits, whatever its limit: memory runs short. False: none waits.
  bool give_up_backlog();

  // True once after a fall, when nothing waits any more.
  bool take_recovered();

  bool behind() const { return behind_; }
  std::size_t backlog_bytes() const { return run_bytes_; }  // of events
  std::size_t reply_bytes() const { return reply_bytes_; }
  // What a fall would give back: a run counts in parts, one for each who holds it.
  std::size_t shed_bytes() const;
  // What waiting takes beside the runs and the replies.
  std::size_t queue_bytes() const { return items_.size() * sizeof(Item); }
  // What waits and is never dropped: the replies, and the rest of a frame whose run was.
  std::size_t unread_bytes() const { return reply_bytes_ + rest_bytes_; }
  // Events that this connection was spared, dropped or refused, since it was made.
  std::size_t dropped_events() const { return dropped_events_; }

 private:
  // Frames in the stream: a run's, or their own: a reply, or the rest of a run that was dropped.
  struct Item {
    SharedRun run{};
    std::string own{};
    bool reply = false;
    std::size_t at = 0;        // bytes already written
    std::size_t end = 0;       // bytes to write; less than there are where the rest was dropped
    std::size_t boundary = 0;  // a frame starts here; what is known of where frames start

    std::string_view text() const { return run ? std::string_view(run->frames) : own; }
    void find_boundary();
  };
  struct Control {
    std::string frame{};
    std::size_t ticket = 0;
    std::size_t at = 0;
  };
  bool control_is_next() const;
  std::size_t consume_control(std::size_t bytes);
  void fall_behind();
  void cut_at_boundary(Item& item);
  void keep_rest(Item& item);

  std::deque<Item> items_{};
  std::vector<Control> controls_{};  // rarely one, hardly ever two
  std::size_t backlog_bytes_max_;
  std::size_t run_bytes_ = 0;
  std::size_t reply_bytes_ = 0;
  std::size_t rest_bytes_ = 0;  // of the frame that is kept of a dropped run
  std::size_t dropped_events_ = 0;
  bool behind_ = false;
};

}  // namespace pgtide
