#include "gateway/connection_log.hpp"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "model/frame.hpp"
#include "model/server_message.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

constexpr std::size_t events_named_max = 5;
constexpr std::size_t answer_bytes_shown = 200;
constexpr std::size_t header_bytes[] = {2, 4, 10};

thread_local std::string_view current_connection;

// Writes a line about that connection.
void write_line(spdlog::level::level_enum level, std::string_view id, std::string_view text) {
  if (id.empty()) return spdlog::log(level, "{}", text);
  current_connection = id;
  spdlog::log(level, "connection {}: {}", id, text);
  current_connection = {};
}

std::string name_of(const std::optional<Principal>& user) {
  return user ? "user " + pgtide::quoted(user->id) : "anonymous";
}

std::string from(const ConnectionRecord& record) {
  return name_of(record.user) + " at " + record.remote_address;
}

std::string_view payload_of(std::string_view frame) {
  const auto length = static_cast<unsigned char>(frame[1]);
  return frame.substr(header_bytes[length < 126 ? 0 : length - 125]);
}

// "create of posts 17 (tick 57, change 1012)"
std::string name_of_event(std::string_view message, const Broker& broker) {
  const auto event = nlohmann::json::parse(message, nullptr, false);
  if (!event.is_object()) return "?";
  const auto text = [&event](const char* key) {
    const auto found = event.find(key);
    return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  std::string name = text("action").empty() ? "custom event" : text("action");
  const std::string collection = text("collection");
  name += collection.empty() ? " to all" : " of " + collection;
  if (event.contains("record_id")) name += " " + pgtide::quoted(text("record_id"));
  if (const auto cursor = broker.open_cursor(text("cursor"))) {
    name += " (tick " + std::to_string(cursor->tick) + ", change " + std::to_string(cursor->id) +
            ")";
  }
  return name;
}

std::string names_of(const Run& run, const Broker& broker) {
  std::string names;
  std::string_view frames = run.frames;
  for (std::size_t i = 0; i < run.events && i < events_named_max; ++i) {
    const std::size_t size = frame_size_at(frames);
    names += (i == 0 ? "" : ", ") + name_of_event(payload_of(frames.substr(0, size)), broker);
    frames.remove_prefix(size);
  }
  if (run.events <= events_named_max) return names;
  return names + " and " + std::to_string(run.events - events_named_max) + " more";
}

}  // namespace

std::string_view logged_connection() { return current_connection; }

bool ConnectionLog::follows() { return spdlog::should_log(spdlog::level::debug); }

void ConnectionLog::fault(LineLimit& limit, std::string_view connection_id,
                          const std::string& text) {
  if (!spdlog::should_log(spdlog::level::info)) return;
  const auto left_out = limit.admit(std::chrono::steady_clock::now());
  if (!left_out) return;
  const std::string more =
      *left_out == 0 ? "" : " (" + std::to_string(*left_out) + " more like this before it)";
  write_line(spdlog::level::info, connection_id, text + more);
}

void ConnectionLog::refused(std::string_view address, std::string_view with,
                            std::string_view why) {
  fault(refusals_, "", "refused " + std::string(address) + " with " + std::string(with) + ": " +
                           std::string(why));
}

void ConnectionLog::opened(const ConnectionRecord& record) {
  if (follows()) write_line(spdlog::level::debug, record.id, "opened by " + from(record));
}

void ConnectionLog::broke_protocol(const ConnectionRecord& record, std::string_view why) {
  fault(protocol_faults_, record.id, "closed, for its frames: " + std::string(why) + "; " +
                                         from(record));
}

void ConnectionLog::closed(const ConnectionRecord& record, CloseCode code,
                           std::string_view reason) {
  fault(closes_, record.id, "closed with " + std::to_string(static_cast<unsigned>(code)) + ", " +
                                std::string(reason) + "; " + from(record));
}

void ConnectionLog::fell_behind(const ConnectionRecord& record, std::size_t backlog_bytes_max) {
  fault(laggards_, record.id,
        "reads too slowly: over " + std::to_string(backlog_bytes_max) +
            " bytes waited (limits.backlog_bytes), they are dropped and it gets resync_required; " +
            from(record));
}

void ConnectionLog::lost_backlog(const ConnectionRecord& record) {
  fault(laggards_, record.id,
        "memory runs short (limits.memory_bytes), and it has one of the largest backlogs: what "
        "waited is dropped and it gets resync_required; " +
            from(record));
}

void ConnectionLog::cut_off(const ConnectionRecord& record, std::string_view why) {
  fault(laggards_, record.id,
        "memory runs short (limits.memory_bytes), and " + std::string(why) + ": it is cut off; " +
            from(record));
}

void ConnectionLog::ended(const ConnectionRecord& record, unsigned peers_close_code) {
  if (!follows()) return;
  write_line(spdlog::level::debug, record.id,
             "ended, the peer's close code: " +
                 (peers_close_code == 0 ? "none" : std::to_string(peers_close_code)));
}

void ConnectionLog::answered(const ConnectionRecord& record, std::size_t message_bytes,
                             std::string_view frames) {
  if (!follows()) return;
  std::string answers;
  while (!frames.empty() && answers.size() < answer_bytes_shown) {
    const std::size_t size = frame_size_at(frames);
    answers += " " + std::string(payload_of(frames.substr(0, size)).substr(0, answer_bytes_shown));
    frames.remove_prefix(size);
  }
  const std::string asked = "sent " + std::to_string(message_bytes) + " bytes, and ";
  write_line(spdlog::level::debug, record.id,
             (message_bytes > 0 ? asked : "") + "was answered" +
                 (answers.empty() ? " nothing" : answers) + (frames.empty() ? "" : " and more"));
}

void ConnectionLog::sent(const ConnectionRecord& record, const Run& run,
                         std::size_t waiting_bytes) {
  if (!follows()) return;
  const std::string where = waiting_bytes == 0
                                ? "given to the socket"
                                : "queued; " + std::to_string(waiting_bytes) + " bytes wait";
  const std::string what =
      std::to_string(run.events) + " events, " + std::to_string(run.frames.size()) + " bytes, ";
  write_line(spdlog::level::debug, record.id, what + where + ": " + names_of(run, broker_));
}

}  // namespace pgtide
