#include <spdlog/spdlog.h>

#include <thread>

#include "capture/backoff.hpp"
#include "capture/change_source.hpp"
#include "capture/connection_string.hpp"
#include "capture/fault.hpp"
#include "capture/follower.hpp"
#include "capture/leader.hpp"
#include "capture/position.hpp"
#include "capture/source_context.hpp"

// The source over a PostgreSQL database: a thread that connects, finds its role and keeps it until
// the connection ends, and then begins again, for ever.
//
//   connect ──► installed? ──► lead taken ──► Leader ────────────────┐
//      ▲                          └─ not ──► Follower ─ lead taken ──┤
//      └──────────── backoff ◄── any failure ◄───────────────────────┘
//
// Every failure is the same failure: the session is dropped, status says what is wrong and how to
// mend it, and the stream goes on after the last change that was delivered. Nothing depends on a
// notification having arrived.
namespace pgtide {
namespace {

using namespace std::chrono_literals;

class PostgresSource final : public ChangeSource {
 public:
  explicit PostgresSource(SourceOptions options) : options_(std::move(options)) {}
  ~PostgresSource() override { stop(); }

  void start(ChangeSink& sink) override;
  void stop() override;
  SourceStatus status() const override { return board_.read(); }
  void list_tables(std::vector<std::string> tables) override;
  bool refresh_catalog(std::chrono::milliseconds time_max) override {
    return context_ != nullptr && context_->await_refresh(time_max);
  }

 private:
  void run();
  void serve();
  void serve(DatabaseSession& session);
  void follow(DatabaseSession& session);
  void lead(DatabaseSession& session);
  void report(const Error& error);

  SourceOptions options_;
  StatusBoard board_;
  std::unique_ptr<SourceContext> context_;
  std::thread thread_;
  bool served_ = false;  // the last connection got as far as to work
};

void PostgresSource::start(ChangeSink& sink) {
  PGTIDE_ASSERT(!thread_.joinable());
  context_ = std::make_unique<SourceContext>(options_, sink, board_);
  thread_ = std::thread([this] { run(); });
}

void PostgresSource::stop() {
  if (!thread_.joinable()) return;
  context_->ask_to_stop();
  thread_.join();
}

void PostgresSource::list_tables(std::vector<std::string> tables) {
  if (context_ == nullptr)
    options_.listed_tables = std::move(tables);
  else
    context_->list_tables(std::move(tables));
}

// The edge where exceptions end.
void PostgresSource::run() {
  Backoff backoff(100ms, 10s);
  while (!context_->stopping()) {
    served_ = false;
    try {
      serve();
    } catch (...) {
      const Error error = current_failure();
      if (context_->stopping()) break;
      if (served_) backoff.reset();
      report(error);
      context_->signal.wait(-1, backoff.next());
    }
  }
  board_.update([](SourceStatus& status) { status.connected = status.leader = false; });
}

// The sink logs it, when it is another than before.
void PostgresSource::report(const Error& error) {
  board_.update([](SourceStatus& status) { ++status.reconnects; });
  board_.stand(context_->sink, false, false, error.to_string());
}

void PostgresSource::serve() {
  DatabaseSession session(make_connection_string(options_.url), board_.queries());
  const SourceContext::Cancellable cancellable(*context_, session);
  require_installed(session);
  context_->refresh_catalog(session);
  try {
    serve(session);
  } catch (const LogDisorder& disorder) {
    // Writers are waited for, which may take long.
    context_->stand(false, disorder.what());
    begin_anew(session, context_->feed.progress().epoch);
    throw;
  }
}

void PostgresSource::serve(DatabaseSession& session) {
  if (take_leadership(session)) return lead(session);
  follow(session);
}

void PostgresSource::follow(DatabaseSession& session) {
  establish_position(session, *context_);
  Follower follower(*context_, session);
  served_ = true;
  board_.heard();
  context_->stand(false, "");
  spdlog::info("capture: follows another bridge, at tick {}", context_->feed.progress().last.n);
  follower.run();
  if (follower.leads()) lead(session);
}

void PostgresSource::lead(DatabaseSession& session) {
  secure_history(session);
  establish_position(session, *context_);
  Leader leader(*context_, session);
  served_ = true;
  board_.heard();
  board_.update([](SourceStatus& status) {
    if (std::exchange(status.lacks_ticks, false)) status.oldest_unread_us = 0;
  });
  context_->stand(true, "");
  spdlog::info("capture: leads, at tick {}", context_->feed.progress().last.n);
  leader.run();
  leader.resign();
}

}  // namespace

std::unique_ptr<ChangeSource> make_postgres_source(SourceOptions options) {
  return std::make_unique<PostgresSource>(std::move(options));
}

}  // namespace pgtide
