#include "fuzz/fuzz.hpp"
#include "model/frame.hpp"
#include "unit/broker_fixture.hpp"

namespace pgtide::test {

void fuzz_message(std::string_view text) {
  static const auto policy =
      make_policy({public_rule("posts"), public_rule("comments")}, all_tables(), true);
  Broker broker({.limits = {.requests_per_second = 0}}, policy, Cursor{9, 0, 0});
  const Broker::Clock::time_point now{std::chrono::hours(1)};
  const auto number = broker.open({.id = "c"}, now).number;
  Reply reply = broker.receive(number, text, now);
  PGTIDE_ASSERT(!reply.frames.empty());
  for (const std::string& payload : payloads(reply.frames)) {
    PGTIDE_ASSERT(check_json(payload).ok());
  }
  while (reply.unfinished) reply = broker.go_on(number, now);
  // Whatever it has subscribed to, events go on and can be left.
  Event event{.id = 1,
              .action = Action::create,
              .collection = "posts",
              .record_id = "1",
              .new_row = R"({"id":1,"title":"t","email":"e"})",
              .timestamp = "2026-11-24T10:15:30.123456Z"};
  Batch batch{.epoch = 9, .tick = 1, .nonce = 5};
  batch.events.push_back(std::move(event));
  broker.deliver(batch, [](const Delivery& delivery) {
    for (const std::string& payload : payloads(delivery.run->frames)) {
      PGTIDE_ASSERT(check_json(payload).ok());
    }
  });
  broker.close(number);
  PGTIDE_ASSERT(broker.subscription_count() == 0);
}

}  // namespace pgtide::test
