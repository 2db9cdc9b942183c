#include "gateway/core.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace pgtide {
namespace {

class DrainLimit final : public Timed {
 public:
  DrainLimit(SteadyTime due, std::function<void()> then) : due_(due), then_(std::move(then)) {}
  void on_deadline(SteadyTime now) override {
    if (now >= due_ && then_) std::exchange(then_, nullptr)();
  }

 private:
  SteadyTime due_;
  std::function<void()> then_;
};

}  // namespace

GatewayCore::GatewayCore(boost::asio::io_context& io, Broker& shard_broker,
                         Operator& shard_operator, GatewayOptions with)
    : context(io),
      broker(shard_broker),
      op(shard_operator),
      options(std::move(with)),
      routes{.path = options.path,
             .allowed_origins = options.allowed_origins,
             .loopback_listener = options.loopback_listener,
             .loopback_operators = options.loopback_operators,
             .loopback_admin = options.loopback_admin,
             .gatekeeper = options.gatekeeper,
             .auth_required = options.auth_required,
             .query_token = options.query_token},
      traffic(io),
      log(shard_broker),
      deadlines(std::make_shared<Deadlines>(io)),
      relief(*this),
      messages(std::make_shared<MessageRoom>(*this)) {}

// What somebody asks may end the filters of others, who are told at once.
void GatewayCore::do_now(const std::function<void()>& call) {
  call();
  for (auto& notice : broker.take_ended()) {
    if (auto* session = find(notice.connection)) session->send_reply(std::move(notice.frames));
  }
}

void GatewayCore::after_events(OriginNumber origin, std::function<void()> call) {
  ask(messages_asked_, origin, std::move(call));
}

void GatewayCore::in_turn(OriginNumber origin, std::function<void()> call) {
  wait_in(messages_asked_, origin, std::move(call));
}

void GatewayCore::http_after_events(std::function<void()> call) {
  ask(http_asked_, OriginNumber{}, std::move(call));
}

void GatewayCore::ask(Turns& turns, OriginNumber origin, std::function<void()> call) {
  const bool events_wait = options.events_wait && options.events_wait();
  if (!answering_ && !events_wait) return do_now(call);
  wait_in(turns, origin, std::move(call));
}

void GatewayCore::wait_in(Turns& turns, OriginNumber origin, std::function<void()> call) {
  if (stopped_) return;  // it would wait, and keep its guest, for ever
  turns.push(origin, std::move(call));
  if (!std::exchange(answering_, true)) answer_soon();
}

void GatewayCore::answer_soon() {
  boost::asio::post(context, [core = shared_from_this()] { core->answer_next(); });
}

void GatewayCore::answer_next() {
  const bool both = !http_asked_.empty() && !messages_asked_.empty();
  const bool http = both ? !http_was_last_ : !http_asked_.empty();
  Turns& turns = http ? http_asked_ : messages_asked_;
  if (!turns.empty()) {  // else stopped
    http_was_last_ = http;
    do_now(turns.pop());
  }
  answering_ = !http_asked_.empty() || !messages_asked_.empty();
  if (answering_) answer_soon();
}

void GatewayCore::add(std::shared_ptr<Guest> guest) {
  auto* key = guest.get();
  if (guests_.emplace(key, std::move(guest)).second) ++load;
}

void GatewayCore::remove(Guest& guest) {
  const auto at = guests_.find(&guest);
  if (at == guests_.end()) return;
  const auto held = std::move(at->second);  // dies after the table is whole again
  guests_.erase(at);
  --load;
  tell_drained();
}

std::uint64_t GatewayCore::rest(Guest& guest) {
  resting_.emplace(++last_ticket_, &guest);
  return last_ticket_;
}

void GatewayCore::wake(std::uint64_t ticket) { resting_.erase(ticket); }

void GatewayCore::end_resting(std::size_t count_max) {
  for (; count_max > 0 && !resting_.empty(); --count_max) {
    Guest& oldest = *resting_.begin()->second;
    resting_.erase(resting_.begin());
    oldest.end();
  }
}

void GatewayCore::seat(ConnectionNumber number, Session& session) {
  if (number >= seats_.size()) seats_.resize(number + std::size_t{1});
  seats_[number] = &session;
}

void GatewayCore::unseat(ConnectionNumber number) { seats_[number] = nullptr; }

Session* GatewayCore::find(ConnectionNumber number) const {
  return number < seats_.size() ? seats_[number] : nullptr;
}

std::vector<ConnectionNumber> GatewayCore::seated() const {
  std::vector<ConnectionNumber> found;
  for (ConnectionNumber number = 0; number < seats_.size(); ++number) {
    if (seats_[number] != nullptr) found.push_back(number);
  }
  return found;
}

void GatewayCore::drain(std::chrono::milliseconds limit, std::function<void()> done) {
  draining = true;
  drained_ = std::move(done);
  const auto until = std::chrono::steady_clock::now() + limit;
  drain_limit_ = std::make_shared<DrainLimit>(
      until, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->end_all();
      });
  deadlines->arm(drain_limit_, until);
  const auto guests = guests_;
  for (const auto& [key, guest] : guests) guest->drain(until);
  tell_drained();
}

void GatewayCore::end_all() {
  const auto guests = guests_;
  for (const auto& [key, guest] : guests) guest->end();
}

void GatewayCore::tell_drained() {
  if (draining && guests_.empty() && drained_) {
    boost::asio::post(context, std::exchange(drained_, nullptr));
  }
}

void GatewayCore::stop() {
  draining = true;
  stopped_ = true;
  drained_ = nullptr;
  traffic.stop();
  messages->stop();
  http_asked_.clear();
  messages_asked_.clear();
  end_all();
  deadlines->stop();
}

}  // namespace pgtide
