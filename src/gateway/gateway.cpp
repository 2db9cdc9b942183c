#include "gateway/gateway.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "gateway/core.hpp"
#include "gateway/credentials.hpp"
#include "model/frame.hpp"
#include "model/server_message.hpp"

namespace pgtide {

struct Gateway::State : GatewayCore {
  using GatewayCore::GatewayCore;
};

namespace {

// An accepted socket on its way between two threads.
class OwnedSocket {
 public:
  explicit OwnedSocket(int native) : native_(native) {}
  OwnedSocket(OwnedSocket&& other) noexcept : native_(std::exchange(other.native_, -1)) {}
  OwnedSocket& operator=(OwnedSocket&&) = delete;
  ~OwnedSocket() {
    if (native_ >= 0) ::close(native_);
  }
  int release() { return std::exchange(native_, -1); }
  int native() const { return native_; }

 private:
  int native_;
};

boost::asio::ip::tcp family_of(int native) {
  int family = AF_INET;
  socklen_t size = sizeof family;
  ::getsockopt(native, SOL_SOCKET, SO_DOMAIN, &family, &size);
  return family == AF_INET6 ? boost::asio::ip::tcp::v6() : boost::asio::ip::tcp::v4();
}

void receive_guest(const std::shared_ptr<GatewayCore>& core, OwnedSocket accepted,
                   Arrival arrival) {
  if (core->draining) return;
  Socket socket(core->context.get_executor());
  boost::system::error_code error;
  socket.assign(family_of(accepted.native()), accepted.native(), error);
  if (error) return;
  accepted.release();
  start_visit(core, std::move(socket), std::move(arrival));
}

// Those with the longest backlog; of equals, those that were sent most.
std::vector<ConnectionNumber> select_slowest(const GatewayCore& core, ConnectionQuery query) {
  const std::size_t limit = std::exchange(query.limit, ConnectionQuery{}.limit);
  std::vector<std::tuple<std::size_t, std::uint64_t, ConnectionNumber>> found;
  for (const ConnectionNumber number : core.broker.select(query)) {
    const auto* session = core.find(number);
    if (session == nullptr) continue;
    found.emplace_back(session->backlog_bytes(), session->events_sent(), number);
  }
  const std::size_t kept = std::min(limit, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end(),
                    std::greater<>());
  std::vector<ConnectionNumber> slowest;
  for (std::size_t i = 0; i < kept; ++i) slowest.push_back(std::get<ConnectionNumber>(found[i]));
  return slowest;
}

}  // namespace

Gateway::Gateway(boost::asio::io_context& context, Broker& broker, Operator& op,
                 GatewayOptions options)
    : state_(std::make_shared<State>(context, broker, op, std::move(options))) {}

Gateway::~Gateway() { state_->stop(); }

void Gateway::adopt(int native_socket, Arrival arrival) {
  ++state_->load;
  boost::asio::post(state_->context,
                    [weak = std::weak_ptr<State>(state_), came = std::move(arrival),
                     accepted = OwnedSocket(native_socket)]() mutable {
                      const auto state = weak.lock();
                      if (!state) return;
                      receive_guest(state, std::move(accepted), std::move(came));
                      --state->load;
                    });
}

void Gateway::end_resting(std::size_t count_max) { state_->end_resting(count_max); }

std::optional<std::size_t> Gateway::send(const Delivery& delivery) {
  auto* session = state_->find(delivery.connection);
  if (session == nullptr) return std::nullopt;
  return session->send_run(delivery.run);
}

void Gateway::send_reply(ConnectionNumber connection, std::string frames) {
  if (auto* session = state_->find(connection)) session->send_reply(std::move(frames));
}

void Gateway::close(ConnectionNumber connection, CloseCode code, std::string_view reason) {
  if (auto* session = state_->find(connection)) session->close(code, reason);
}

void Gateway::weigh_backlogs() { state_->relief.weigh_backlogs(); }

bool Gateway::drop_backlogs() { return state_->relief.drop_or_ask(); }

void Gateway::relieve_memory() { state_->relief.do_what_is_asked(); }

std::size_t Gateway::load() const { return state_->load; }

ConnectionPage Gateway::list(const ConnectionQuery& query) const {
  ConnectionPage page;
  auto& listed = page.connections;
  std::size_t bytes = 0;
  const auto numbers =
      query.slowest_first ? select_slowest(*state_, query) : state_->broker.select(query);
  for (const ConnectionNumber number : numbers) {
    const auto* session = state_->find(number);
    if (session == nullptr) continue;
    if (bytes > query.bytes_max) {  // never the first one, or nobody could go on
      page.next = listed.back().record.id;
      break;
    }
    listed.push_back({.record = state_->broker.record(number),
                      .patterns = state_->broker.patterns(number),
                      .events_sent = session->events_sent(),
                      .backlog_bytes = session->backlog_bytes()});
    bytes += bytes_of(listed.back());
  }
  return page;
}

std::size_t Gateway::kick(const ConnectionQuery& query) {
  std::size_t closed = 0;
  for (const ConnectionNumber number : state_->broker.select(query)) {
    auto* session = state_->find(number);
    if (session == nullptr || !session->is_live()) continue;
    session->close(CloseCode::kicked, "closed by an administrator");
    ++closed;
  }
  return closed;
}

std::optional<Leaver> Gateway::find_leaver(const std::string& address_key) const {
  const Broker& broker = state_->broker;
  const auto& keeper = state_->options.gatekeeper;
  const auto origin = broker.find_origin(address_key);
  if (!origin) return std::nullopt;
  const ConnectionRecord* youngest = nullptr;
  for (const ConnectionNumber number : state_->seated()) {
    if (broker.origin_of(number) != *origin) continue;
    const Session& session = *state_->find(number);
    const ConnectionRecord& record = broker.record(number);
    const bool administers = keeper && record.user && keeper->administers(&*record.user);
    if (!session.is_live() || session.stays() || administers) continue;
    const bool first = youngest == nullptr || record.connected_at >= youngest->connected_at;
    if (first) youngest = &record;
  }
  if (youngest == nullptr) return std::nullopt;
  return Leaver{youngest->id, youngest->remote_address, youngest->connected_at};
}

bool Gateway::end_leaver(const std::string& id) {
  const auto number = state_->broker.find(id);
  auto* session = number ? state_->find(*number) : nullptr;
  if (session == nullptr || !session->is_live()) return false;
  session->close(CloseCode::try_again_later, "the server is full, and this address has the most");
  return true;
}

void Gateway::when_drained_to(std::size_t bytes, std::function<void()> then) {
  state_->traffic.when_drained_to(bytes, std::move(then));
}

void Gateway::close_ended_credentials() {
  const auto& keeper = state_->options.gatekeeper;
  if (!keeper) return;
  for (const ConnectionNumber number : state_->broker.select({})) {
    auto* session = state_->find(number);
    const ConnectionRecord& record = state_->broker.record(number);
    if (session == nullptr || !session->is_live() || !record.user) continue;
    if (keeper->still_accepts(*record.user, record.credential_key)) continue;
    ++state_->traffic.counters.tokens_refused;
    session->send_reply(make_text_frame(error_message(
        {.code = WireCode::invalid_token, .message = std::string(ended_credential)})));
    session->close(CloseCode::bad_credential, "invalid_token");
  }
}

void Gateway::drain(std::chrono::milliseconds limit, std::function<void()> done) {
  state_->drain(limit, std::move(done));
}

const GatewayCounters& Gateway::counters() const { return state_->traffic.counters; }

}  // namespace pgtide
