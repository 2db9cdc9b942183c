#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "fuzz/fuzz.hpp"
#include "gateway/request_head.hpp"
#include "model/json_row.hpp"

namespace pgtide::test {
namespace {

namespace http = boost::beast::http;

// Knows one token and one key.
class OneKeeper final : public Gatekeeper {
 public:
  Result<Identity> by_token(std::string_view token, std::string_view) const override {
    return whose(token);
  }
  Result<Identity> by_key(std::string_view key, std::string_view) const override {
    return whose(key);
  }
  bool still_accepts(const Principal&, KeyPrint) const override { return true; }
  bool administers(const Principal* user) const override { return user != nullptr; }

 private:
  static Result<Identity> whose(std::string_view secret) {
    if (secret == "secret") return Identity{Principal{.id = "17"}, std::nullopt};
    return Error{ErrorKind::denied, "no"};
  }
};

}  // namespace

void fuzz_handshake(std::string_view bytes) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(16'384);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (!parser.is_header_done()) return;
  for (const bool strict : {false, true}) {
    const RouteRules rules{.path = "/realtime/subscribe",
                           .allowed_origins = {"https://app.example"},
                           .loopback_listener = !strict,
                           .gatekeeper = std::make_shared<OneKeeper>(),
                           .auth_required = strict,
                           .query_token = true};
    std::string subprotocols;
    RequestHead head = make_head(parser.get(), subprotocols);
    head.peer_loopback = strict;
    const Verdict verdict = choose_route(head, rules);
    if (verdict.route != Route::refused) continue;
    PGTIDE_ASSERT(verdict.reply.status >= 400 && check_json(verdict.reply.body).ok());
  }
}

}  // namespace pgtide::test
