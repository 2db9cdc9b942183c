#include "capture/broadcaster.hpp"

#include <mutex>

#include "capture/connection_string.hpp"
#include "capture/fault.hpp"
#include "capture/database_session.hpp"
#include "capture/schema_owner.hpp"
#include "model/json_row.hpp"
#include "model/pattern.hpp"

namespace pgtide {
namespace {

constexpr std::size_t event_bytes_max = 1'048'576;  // PROTOCOL 3

Result<void> check(std::string_view json) {
  if (json.size() > event_bytes_max)
    return Error{ErrorKind::too_large, "an event's data may have 1 MiB, this has " +
                                           std::to_string(json.size()) + " bytes"};
  if (const Result<void> valid = check_json(json); !valid)
    return Error{ErrorKind::invalid, "the data is no JSON: " + valid.error().message};
  return {};
}

}  // namespace

struct Broadcaster::State {
  std::string url;
  std::mutex mutex;  // one call at a time
  std::atomic<std::uint64_t> queries = 0;
  std::unique_ptr<DatabaseSession> session;

  Result<void> commit(const std::string& function, const std::vector<std::string>& values);
  void connect();
  void call(const std::string& function, const std::string& arguments);
};

// A connection that was lost while it lay idle is found out before anything is sent: afterwards
// nobody could say whether the event was committed.
void Broadcaster::State::connect() {
  if (session != nullptr) {
    try {
      session->take_notices();
      return;
    } catch (const std::exception&) {
      session.reset();
    }
  }
  auto made = std::make_unique<DatabaseSession>(make_connection_string(url), queries);
  const auto found = made->run(schema_owner_sql)[0];
  refuse_foreign_api(found);
  made->trust(api_guard(found));
  session = std::move(made);
}

// Where the schema was made anew since the connection was: once more, over another one. Nothing was
// committed then.
void Broadcaster::State::call(const std::string& function, const std::string& arguments) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    connect();
    try {
      session->run("select pgtide_api." + function + "(" + arguments + ")");
      return;
    } catch (const CaptureFault&) {
      session.reset();
      if (attempt == 1) throw;
    }
  }
}

Result<void> Broadcaster::State::commit(const std::string& function,
                                        const std::vector<std::string>& values) {
  const std::lock_guard lock(mutex);
  try {
    connect();
    std::string arguments;
    for (const std::string& value : values)
      arguments.append(arguments.empty() ? "" : "::text, ").append(session->quote(value));
    call(function, arguments + "::json");
    return {};
  } catch (const pqxx::sql_error& error) {
    const std::string state = sqlstate_of(error);
    Error failure = current_failure();
    if (state == "42501")
      failure.message =
          "the role may not broadcast; as the role that ran `pgtide install`: GRANT USAGE ON "
          "SCHEMA pgtide_api TO <role>; GRANT EXECUTE ON FUNCTION "
          "pgtide_api.broadcast(text, json), pgtide_api.broadcast_all(json) TO <role>;";
    if (state.starts_with("22") || state.starts_with("54")) failure.kind = ErrorKind::invalid;
    if (state.empty() || state.starts_with("57P") || state.starts_with("08")) session.reset();
    return failure;
  } catch (...) {
    session.reset();
    return current_failure();
  }
}

Broadcaster::Broadcaster(std::string url) : state_(std::make_unique<State>()) {
  state_->url = std::move(url);
}

Broadcaster::~Broadcaster() = default;

Result<void> Broadcaster::broadcast(std::string_view collection, std::string_view json) {
  if (!is_collection_name(collection))
    return Error{ErrorKind::invalid, "'" + std::string(collection) +
                                         "' is no name of a collection: letters, digits and _, at "
                                         "most 63, not beginning with a digit"};
  if (Result<void> valid = check(json); !valid) return valid;
  return state_->commit("broadcast", {std::string(collection), std::string(json)});
}

Result<void> Broadcaster::broadcast_all(std::string_view json) {
  if (Result<void> valid = check(json); !valid) return valid;
  return state_->commit("broadcast_all", {std::string(json)});
}

}  // namespace pgtide
