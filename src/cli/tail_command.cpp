#include <algorithm>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "cli/bridge_address.hpp"
#include "cli/commands.hpp"
#include "cli/signals.hpp"
#include "cli/terminal.hpp"
#include "gateway/client.hpp"
#include "model/json_row.hpp"
#include "model/wording.hpp"

// A client for the terminal: subscribes, prints, and connects anew when the server went away, as
// any client should. A refusal of a pattern ends it; so does Ctrl-C, with exit code 0.
namespace pgtide {
namespace {


constexpr std::chrono::milliseconds poll_interval{200};  // how soon Ctrl-C is seen
constexpr std::chrono::milliseconds connect_limit{10'000};
constexpr std::chrono::milliseconds backoff_least{200};
constexpr std::chrono::milliseconds backoff_most{5'000};

std::string subscribe_text(const std::vector<std::string>& patterns) {
  nlohmann::json message{{"type", "subscribe"}, {"subscriptions", nlohmann::json::array()}};
  for (const std::string& pattern : patterns) {
    message["subscriptions"].push_back({{"pattern", pattern}});
  }
  return message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Colour colour_of(const std::string& action) {
  if (action == "create") return Colour::green;
  if (action == "update") return Colour::yellow;
  if (action == "delete" || action == "truncate") return Colour::red;
  return Colour::cyan;
}

std::string text_at(const nlohmann::json& message, const char* key) {
  const auto found = message.find(key);
  if (found == message.end() || found->is_null()) return {};
  return one_line(found->is_string() ? found->get<std::string>() : found->dump());
}

// The row as it came: from the frame's own text, since a parser would round its numbers.
std::string raw_member(const std::string& frame, const char* key) {
  const auto row = Row::parse(frame);
  const RowMember* member = row ? row->find(key) : nullptr;
  return member == nullptr ? std::string() : one_line(member->value);
}

// A frame as one line: a column of type json comes with the line ends that were written between
// its values, where a space says the same. (Within a JSON text's strings they are escaped.)
std::string single_line(std::string frame) {
  std::ranges::replace_if(frame, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return frame;
}

std::string line_of(const nlohmann::json& message, const std::string& frame) {
  const std::string time = coloured(Colour::dim, text_at(message, "timestamp"));
  if (message["type"] == "custom_event") {
    const std::string name = text_at(message, "collection");
    return time + " " + coloured(Colour::cyan, "custom  ") + " " +
           (name.empty() ? "(everyone)" : name) + " " + raw_member(frame, "data");
  }
  std::string action = text_at(message, "action");
  const Colour colour = colour_of(action);
  action.resize(std::max<std::size_t>(action.size(), 8), ' ');
  std::string line = time + " " + coloured(colour, action) + " " + text_at(message, "collection");
  const std::string id = text_at(message, "record_id");
  if (!id.empty()) line += " " + coloured(Colour::bold, id);
  return line + " " + raw_member(frame, "record");
}

class Tail {
 public:
  Tail(std::string url, const TailCommand& command) : url_(std::move(url)), command_(command) {}

  int run() {
    std::thread signals([this] { watch_signals(); });
    signals.detach();
    std::chrono::milliseconds backoff = backoff_least;
    bool was_there = false;
    while (!ended_) {
      auto client = Client::connect(url_, connect_limit, command_.token);
      if (client) {
        was_there = true;
        backoff = backoff_least;
        if (const auto code = follow(*client)) return *code;
      } else if (client.error().kind == ErrorKind::invalid) {
        return report_settings_fault(client.error());  // --url
      } else if (!was_there || client.error().kind != ErrorKind::unavailable) {
        return report_failure(client.error());
      }
      if (!ended_) wait_before_retry(backoff);
    }
    return exit_fine;
  }

 private:
  void watch_signals() {
    const Signals signals({SIGINT, SIGTERM});
    signals.wait();
    ended_ = true;
    ended_.notify_all();
  }

  void wait_before_retry(std::chrono::milliseconds& backoff) {
    std::fprintf(stderr, "pgtide: the connection is lost; trying again\n");
    const auto until = std::chrono::steady_clock::now() + backoff;
    while (!ended_ && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::min(poll_interval, backoff));
    }
    backoff = std::min(backoff * 2, backoff_most);
  }

  // Until the connection is lost (nothing), or the program is to end with a code.
  std::optional<int> follow(Client& client) {
    if (!client.send(subscribe_text(command_.patterns))) return std::nullopt;
    while (!ended_) {
      auto frame = client.receive(poll_interval);
      if (!frame) return std::nullopt;
      if (!*frame) continue;
      if (const auto code = show(**frame)) return code;
    }
    client.close();
    return exit_fine;
  }

  std::optional<int> show(const std::string& frame) {
    const nlohmann::json message = nlohmann::json::parse(frame, nullptr, false);
    const std::string type = message.is_object() ? text_at(message, "type") : "";
    if (type == "error") {
      return report_failure(
          {ErrorKind::denied, text_at(message, "message"), text_at(message, "pattern")});
    }
    if (command_.json) {
      std::printf("%s\n", single_line(frame).c_str());
    } else if (type == "record_event" || type == "custom_event") {
      std::printf("%s\n", line_of(message, frame).c_str());
    } else if (type == "resync_required") {
      std::printf("%s %s\n", coloured(Colour::red, "resync_required").c_str(),
                  text_at(message, "reason").c_str());
    }
    std::fflush(stdout);
    return std::nullopt;
  }

  const std::string url_;
  const TailCommand command_;
  std::atomic<bool> ended_ = false;
};

}  // namespace

int tail_command(const SettingSources& sources, const TailCommand& command) {
  const Signals blocked({SIGINT, SIGTERM});
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  return Tail(command.url.empty() ? client_url(*config) : command.url, command).run();
}

}  // namespace pgtide
