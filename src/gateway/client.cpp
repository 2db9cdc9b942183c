#include "gateway/client.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "gateway/http_checks.hpp"

// The network's side of `tail`, `connections` and `kick`: asynchronous inside, so that everything
// has a time limit; each call runs its own io_context until it has its answer.
namespace pgtide {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using TcpStream = beast::basic_stream<tcp, asio::io_context::executor_type>;

constexpr std::chrono::seconds request_timeout{30};

struct Url {
  std::string authority{};  // host and port, as in Host
  std::string host{};
  std::string port{};
  std::string target{};
};

Result<Url> parse_url(const std::string& text, std::string_view scheme) {
  const Error wrong{ErrorKind::invalid,
                    "not a URL like " + std::string(scheme) + "127.0.0.1:8080/path", text};
  if (!text.starts_with(scheme)) return wrong;
  const auto rest = std::string_view(text).substr(scheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  Url url;
  url.authority = std::string(rest.substr(0, slash));
  url.target = slash == rest.size() ? "/" : std::string(rest.substr(slash));
  url.host = std::string(host_name(url.authority));
  const auto colon = url.authority.rfind(':');
  const bool has_port = colon != std::string::npos && url.authority.find(']', colon) ==
                                                           std::string::npos;
  url.port = has_port ? url.authority.substr(colon + 1) : "80";
  unsigned number = 0;
  const auto* end = url.port.data() + url.port.size();
  const auto parsed = std::from_chars(url.port.data(), end, number);
  const bool is_port = parsed.ec == std::errc() && parsed.ptr == end && number <= 65'535;
  if (url.host.empty() || !is_port) return wrong;
  return url;
}

// Runs `context` until `error` is set by a completion, or until `stream`'s own time limit did that.
ErrorCode run_until_set(asio::io_context& context, std::optional<ErrorCode>& error) {
  context.restart();
  while (!error && context.run_one() > 0) {
  }
  return error.value_or(asio::error::operation_aborted);
}

Error unavailable(const std::string& where, const ErrorCode& error) {
  return {ErrorKind::unavailable, error.message(), where};
}

ErrorCode connect_stream(asio::io_context& context, TcpStream& stream, const Url& url) {
  ErrorCode error;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(url.host, url.port, error);
  if (error) return error;
  std::optional<ErrorCode> connected;
  stream.async_connect(found, [&](ErrorCode code, const tcp::endpoint&) { connected = code; });
  return run_until_set(context, connected);
}

// What the server says in {"error":{"message":...}}, or its bare status.
std::string message_of(unsigned status, const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const auto pointer = nlohmann::json::json_pointer("/error/message");
  if (json.is_object() && json.contains(pointer) && json[pointer].is_string()) {
    return json[pointer].get<std::string>();
  }
  return "HTTP status " + std::to_string(status);
}

using Request = http::request<http::string_body>;

Request make_request(const std::string& method, const Url& url, const std::string& body) {
  Request request;
  request.method_string(method);
  request.target(url.target);
  request.version(11);
  request.set(http::field::host, url.authority);
  request.set(http::field::user_agent, "pgtide/" PGTIDE_VERSION);
  request.keep_alive(false);
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.prepare_payload();
  return request;
}

// Sends it and reads the answer. `where`: for messages.
Result<HttpAnswer> exchange(const Request& request, const std::string& where, const Url& url) {
  asio::io_context context(1);
  TcpStream stream(context);
  stream.expires_after(request_timeout);
  if (const auto error = connect_stream(context, stream, url)) return unavailable(where, error);
  std::optional<ErrorCode> written;
  http::async_write(stream, request, [&](ErrorCode error, std::size_t) { written = error; });
  if (const auto error = run_until_set(context, written)) return unavailable(where, error);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  parser.skip(request.method() == http::verb::head);
  std::optional<ErrorCode> read;
  http::async_read(stream, buffer, parser, [&](ErrorCode error, std::size_t) { read = error; });
  if (const auto error = run_until_set(context, read)) return unavailable(where, error);
  const auto& response = parser.get();
  return HttpAnswer{.status = response.result_int(),
                    .body = response.body(),
                    .content_type = std::string(response[http::field::content_type])};
}

Error refusal(const std::string& url, unsigned status, const std::string& body) {
  const auto kind = status == 401 || status == 403 ? ErrorKind::denied
                    : status == 404 || status == 426 ? ErrorKind::not_found
                    : status == 503                  ? ErrorKind::unavailable
                                                     : ErrorKind::invalid;
  return {kind, message_of(status, body), url};
}

}  // namespace

struct Client::State {
  State() : wake(context, ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { watch_wake(); }

  void watch_wake() {
    wake.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
      if (error) return;
      std::uint64_t count = 0;
      interrupted = ::read(wake.native_handle(), &count, sizeof count) == sizeof count;
      watch_wake();
    });
  }

  void begin_read() {
    if (reading || arrived || ended) return;
    reading = true;
    stream.async_read(buffer, [this](ErrorCode error, std::size_t) {
      reading = false;
      if (error) {
        ended = error;
      } else {
        arrived = beast::buffers_to_string(buffer.data());
        buffer.consume(buffer.size());
      }
    });
  }

  asio::io_context context{1};
  websocket::stream<TcpStream, false> stream{context};
  asio::posix::stream_descriptor wake;
  beast::flat_buffer buffer{};
  std::string url{};
  std::optional<std::string> arrived{};
  std::optional<ErrorCode> ended{};
  bool reading = false;
  bool interrupted = false;
};

Result<Client> Client::connect(const std::string& url, std::chrono::milliseconds timeout,
                               const std::string& token) {
  const auto parsed = parse_url(url, "ws://");
  if (!parsed) return parsed.error();
  auto state = std::make_unique<State>();
  state->url = url;
  auto& tcp_layer = beast::get_lowest_layer(state->stream);
  tcp_layer.expires_after(timeout);
  if (const auto error = connect_stream(state->context, tcp_layer, *parsed)) {
    return unavailable(url, error);
  }
  ErrorCode ignored;
  tcp_layer.socket().set_option(tcp::no_delay(true), ignored);
  state->stream.set_option(
      websocket::stream_base::decorator([token](websocket::request_type& request) {
        request.set(http::field::user_agent, "pgtide/" PGTIDE_VERSION);
        if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
      }));
  state->stream.read_message_max(0);
  websocket::response_type response;
  std::optional<ErrorCode> shaken;
  state->stream.async_handshake(response, parsed->authority, parsed->target,
                                [&](ErrorCode error) { shaken = error; });
  const auto error = run_until_set(state->context, shaken);
  if (error == websocket::error::upgrade_declined) {
    return refusal(url, response.result_int(), response.body());
  }
  if (error) return unavailable(url, error);
  tcp_layer.expires_never();
  return Client(std::move(state));
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<void> Client::send(std::string_view text) {
  std::optional<ErrorCode> written;
  state_->stream.text(true);
  state_->stream.async_write(asio::buffer(text),
                             [&](ErrorCode error, std::size_t) { written = error; });
  if (const auto error = run_until_set(state_->context, written)) {
    return unavailable(state_->url, error);
  }
  return {};
}

Result<std::optional<std::string>> Client::receive(std::chrono::milliseconds timeout) {
  auto& state = *state_;
  const auto until = std::chrono::steady_clock::now() + timeout;
  state.begin_read();
  state.context.restart();
  while (!state.arrived && !state.ended && !std::exchange(state.interrupted, false)) {
    if (state.context.run_one_until(until) == 0) break;
  }
  if (state.arrived) return std::exchange(state.arrived, std::nullopt);
  if (state.ended) return unavailable(state.url, *state.ended);
  return std::optional<std::string>{};
}

std::optional<unsigned> Client::close_code() const {
  const auto code = state_->stream.reason().code;
  if (code == websocket::close_code::none) return std::nullopt;
  return static_cast<unsigned>(code);
}

void Client::interrupt() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(state_->wake.native_handle(), &one, sizeof one);
}

void Client::close() {
  auto& state = *state_;
  if (state.ended) return;
  std::optional<ErrorCode> closed;
  beast::get_lowest_layer(state.stream).expires_after(std::chrono::seconds{2});
  state.stream.async_close(websocket::close_code::normal, [&](ErrorCode error) { closed = error; });
  [[maybe_unused]] const auto error = run_until_set(state.context, closed);
  state.ended = asio::error::operation_aborted;
}

Result<HttpAnswer> http_request(const std::string& method, const std::string& url,
                                const std::string& body, const std::string& token) {
  const auto parsed = parse_url(url, "http://");
  if (!parsed) return parsed.error();
  auto request = make_request(method, *parsed, body);
  if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
  return exchange(request, url, *parsed);
}

}  // namespace pgtide
