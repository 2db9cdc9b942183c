#pragma once
#include <chrono>
#include <optional>

#include "broker/token_bucket.hpp"
#include "gateway/core.hpp"
#include "gateway/head_reader.hpp"

namespace pgtide {

// An accepted socket before it is a WebSocket: HTTP/1.1 with keep-alive. A visit reads a request's
// head, lets choose_route() decide by it, and reads a body only for who may broadcast; so nobody
// else can make it hold more than a head. A timer bounds every read and write. Owned by its shard's
// thread. visit.cpp reads and decides; visit_answer.cpp answers, now or later, and ends.
class Visit final : public Guest, public std::enable_shared_from_this<Visit> {
 public:
  Visit(std::shared_ptr<GatewayCore> core, Socket socket, Arrival arrival);

  void start();
  void drain(SteadyTime until) override;
  void end() override;
  void on_deadline(SteadyTime now) override;

 private:
  using ErrorCode = boost::system::error_code;

  std::shared_ptr<Visit> self() { return shared_from_this(); }
  void within(std::chrono::milliseconds time);
  bool may_ask_again() const;
  void wake();
  void expire();
  void read_head();
  void read_more();
  void look_in_turn(ErrorCode error, std::size_t bytes);
  void on_bytes(ErrorCode error, std::size_t bytes);
  void on_head(ErrorCode error);
  std::optional<std::chrono::milliseconds> find_wait(const Verdict& verdict,
                                                     const std::string& address);
  void follow(const Verdict& verdict);
  std::optional<std::string> find_client() const;
  void upgrade(const Verdict& verdict);
  template <class MakeReply>
  auto later(MakeReply make_reply);
  void ask_operator(const Verdict& verdict);
  void read_body(bool to_all);
  void on_body(ErrorCode error, bool to_all);
  void refuse_unread(ErrorCode error);
  void refuse_later(HttpReply reply);
  void log_refusal(const HttpReply& reply);
  void answer(HttpReply reply);
  void write(HttpReply reply);
  void on_written(ErrorCode error, bool keep_alive);
  void linger();
  void drop_input();

  std::shared_ptr<GatewayCore> core_;
  Socket socket_;
  Arrival arrival_;
  const SteadyTime life_end_ = std::chrono::steady_clock::now() + core_->options.http_life;
  boost::asio::ip::tcp::endpoint peer_{};
  HeadReader head_;
  MemoryCharge held_;
  TokenBucket bucket_;  // of its requests, which are one client's
  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime linger_due_ = SteadyTime::max();  // when input is dropped again
  std::uint64_t ticket_ = 0;  // of its rest
  std::size_t requests_ = 0;  // answered
  std::size_t lingered_ = 0;  // bytes that came after the last answer
  std::optional<HttpReply> refusal_{};  // that waits for its time
  bool lingers_ = false;      // waits for input that nobody looks at
  bool idle_ = false;         // waits for a request
  bool in_hand_ = false;      // bytes of it have come and wait for their turn
  bool of_proxy_ = false;     // comes from a trusted one, with requests of many clients
  bool of_operator_ = false;  // was asked by one: it stays when room is made
  bool reads_body_ = false;
  bool ended_ = false;
};

}  // namespace pgtide
