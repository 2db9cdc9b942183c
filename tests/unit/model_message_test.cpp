#include <doctest/doctest.h>

#include <random>

#include "model/client_message.hpp"
#include "model/cursor.hpp"
#include "model/server_message.hpp"

using namespace pgtide;

namespace {

std::string described_message(std::string_view text) {
  const auto parsed = parse_client_message(text);
  if (const auto* fault = std::get_if<MessageFault>(&parsed)) {
    return std::string(to_string(fault->code)) + "|" + fault->id + "|" + fault->message;
  }
  const auto& message = std::get<ClientMessage>(parsed);
  std::string out = message.id + "|";
  if (const auto* subscribe = std::get_if<SubscribeMessage>(&message.body)) {
    out += "subscribe";
    for (const SubscribeItem& item : subscribe->items) {
      out += " " + item.pattern + "/" + std::to_string(item.events.bits());
      if (item.filter) out += "?" + *item.filter;
    }
  } else if (const auto* unsubscribe = std::get_if<UnsubscribeMessage>(&message.body)) {
    out += "unsubscribe " + unsubscribe->pattern;
  } else if (const auto* auth = std::get_if<AuthMessage>(&message.body)) {
    out += "auth " + auth->token;
  } else {
    out += "ping";
  }
  return out;
}

std::string many_times(std::string_view part, int times) {
  std::string all;
  for (int n = 0; n < times; ++n) all += part;
  return all;
}

}  // namespace

TEST_CASE("client message: each shape is read, and each fault is named") {
  struct {
    std::string text, expected, why;
  } const rows[] = {
      {R"({"type":"subscribe","pattern":"posts.*"})", "|subscribe posts.*/31", "plain"},
      {R"({"type":"subscribe","id":"a1","pattern":"p.1","events":["create","custom"]})",
       "\"a1\"|subscribe p.1/17", "id and events"},
      {R"({"id":1.50,"type":"subscribe","subscriptions":[{"pattern":"a.*"},)"
       R"({"pattern":"b.*","events":["delete"]}]})",
       "1.50|subscribe a.*/31 b.*/4", "many; the id's text is kept"},
      {R"({"type":"unsubscribe","pattern":"*"})", "|unsubscribe *", "all"},
      {R"({"type":"ping","id":9})", "9|ping", "ping"},
      {R"({"type":"subscribe","pattern":""})", "|subscribe /31", "the pattern is checked later"},
      {"", "invalid_json||not a JSON text", "empty"},
      {"{", "invalid_json||not a JSON text", "cut"},
      {"[]", "invalid_message||a message is a JSON object", "array"},
      {"{}", "invalid_message||'type' is missing", "no type"},
      {R"({"type":1})", "invalid_message||'type' must be a string", "type is a number"},
      {R"({"type":"x","id":1})",
       "unknown_type|1|unknown type 'x'; known: subscribe, unsubscribe, auth, ping",
       "unknown"},
      {R"({"type":"auth","id":1,"token":"a.b.c"})", "1|auth a.b.c", "auth"},
      {R"({"type":"auth"})", "invalid_message||'token' is missing", "auth without its token"},
      {R"({"type":"auth","token":7})", "invalid_message||'token' must be a string", "no text"},
      {R"({"type":"auth","token":"t","user":1})", "invalid_message||unknown field 'user'", "more"},
      {R"({"type":"subscribe"})", "invalid_message||'pattern' is missing", "no pattern"},
      {R"({"type":"subscribe","pattern":7})", "invalid_message||'pattern' must be a string", ""},
      {R"({"type":"subscribe","pattern":"a.*","since":"x"})",
       "invalid_message||'since' is not in this version", "since"},
      {R"({"type":"subscribe","pattern":"a.*","filtre":"x"})",
       "invalid_message||unknown field 'filtre'", "misspelled"},
      {R"({"type":"subscribe","subscriptions":[{"pattern":"a.*","filter":"x"}]})",
       "|subscribe a.*/31?x", "filter"},
      {R"({"type":"subscribe","pattern":"a.*","filter":7})",
       "invalid_message||'filter' must be a string", "a filter that is none"},
      {R"({"type":"subscribe","pattern":"a.*","subscriptions":[{"pattern":"a.*"}]})",
       "invalid_message||unknown field 'pattern'", "both forms"},
      {R"({"type":"subscribe","subscriptions":[]})",
       "invalid_message||'subscriptions' must be an array that is not empty", "none"},
      {R"({"type":"subscribe","subscriptions":["a.*"]})",
       "invalid_message||'subscriptions' must hold objects", "strings"},
      {R"({"type":"ping","type":"ping"})", "invalid_message||the field 'type' stands there twice",
       "duplicate"},
      {R"({"type":"subscribe","subscriptions":[{"pattern":"a.*","pattern":"b.*"}]})",
       "invalid_message||the field 'pattern' stands there twice", "nested duplicate"},
      {R"({"type":"subscribe","pattern":"a.*","events":[]})",
       "invalid_message||'events' must be an array that is not empty", "no events"},
      {R"({"type":"subscribe","pattern":"a.*","events":["insert"]})",
       "invalid_message||'events' lists create, update, delete, truncate, custom", "unknown event"},
      {R"({"type":"ping","id":null})", "invalid_message||'id' must be a string or a number", "id"},
      {R"({"type":"ping","id":")" + std::string(80, 'a') + "\"}",
       "invalid_message||'id' must be at most 64 bytes long", "a long id"},
      {many_times("[", 60'000), "invalid_message||nested too deeply", "sixty thousand brackets"},
      {"[[[[[[[[[ no JSON", "invalid_message||nested too deeply", "no more of it is looked at"},
      {"[[[[[[[[ no JSON", "invalid_json||not a JSON text", "as deep as may be"},
      {R"({"type":"[[[[[[[[[\"["})",
       "unknown_type||unknown type '[[[[[[[[[\"['; known: subscribe, unsubscribe, auth, ping",
       "brackets in a text are none"},
      {"[" + many_times("[],", 20'000) + " no JSON",
       "invalid_message||too much in one message: it holds at most 100 subscriptions",
       "brackets side by side"},
      {"{" + many_times("\"a\":1,", 9'000) + " no JSON",
       "invalid_message||too much in one message: it holds at most 100 subscriptions", "fields"},
      {R"({"type":"subscribe","subscriptions":[)" + many_times(R"({"pattern":"a.1"},)", 100) +
           R"({"pattern":"a.1"}]})",
       "invalid_message||'subscriptions' must hold at most 100", "one too many"},
      {R"({"type":"ping","id":)" + std::string(30'000, '[') + std::string(30'000, ']') + "}",
       "invalid_message||nested too deeply", "deep, but JSON"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK(described_message(row.text) == row.expected);
  }
}

TEST_CASE("client message: random bytes never break the parser") {
  std::mt19937 random(4);
  const std::string seed = R"({"type":"subscribe","id":1,"pattern":"a.*","events":["create"]})";
  for (int i = 0; i < 20'000; ++i) {
    std::string text = seed;
    for (int n = 0; n < 3; ++n) text[random() % text.size()] = static_cast<char>(random());
    CHECK_FALSE(described_message(text).empty());
  }
}

TEST_CASE("server message: the texts are those of the contract") {
  const Cursor at{1, 2, 3, 4};
  const std::string cursor = to_string(at);
  const Principal user{"17", {"admin"}};
  CHECK(connected_message({"c-1", nullptr, std::chrono::seconds(30)}) ==
        R"({"type":"connected","connection_id":"c-1","user":null,"expires_at":null,)"
        R"("heartbeat_interval":30,"server":"pgtide/)" PGTIDE_VERSION "\"}");
  CHECK(connected_message({"c", &user, std::chrono::milliseconds(1'500)}) ==
        R"({"type":"connected","connection_id":"c","user":{"id":"17","roles":["admin"]},)"
        R"("expires_at":null,"heartbeat_interval":1.5,"server":"pgtide/)" PGTIDE_VERSION "\"}");
  CHECK(subscribed_message("1.50", "a.*", cursor) ==
        R"({"type":"subscribed","pattern":"a.*","cursor":")" + cursor + R"(","id":1.50})");
  CHECK(unsubscribed_message("", "a.*", 0) ==
        R"({"type":"unsubscribed","pattern":"a.*","removed":0})");
  CHECK(pong_message("\"x\"") == R"({"type":"pong","id":"x"})");
  CHECK(position_message(cursor) == R"({"type":"position","cursor":")" + cursor + "\"}");
  CHECK(resync_message("", ResyncReason::fell_behind) ==
        R"({"type":"resync_required","reason":"fell_behind"})");
  CHECK(resync_message("a.*", ResyncReason::schema_changed) ==
        R"({"type":"resync_required","pattern":"a.*","reason":"schema_changed"})");
  CHECK(error_message(
            {WireCode::rate_limited, "slow down", "7", "a.*", std::chrono::milliseconds(90)}) ==
        R"({"type":"error","code":"rate_limited","message":"slow down","pattern":"a.*",)"
        R"("retry_after_ms":90,"id":7})");
}

TEST_CASE("server message: bytes that are no UTF-8 are replaced, never an exception") {
  CHECK(json_string("a\xff\"") == "\"a\xef\xbf\xbd\\\"\"");
}
