#include "capture/source_context.hpp"

#include <algorithm>
#include <utility>

#include "capture/fault.hpp"
#include "capture/skipped_changes.hpp"
#include "capture/statement_limit.hpp"

namespace pgtide {

void SourceContext::ask_to_stop() {
  stopping_ = true;
  signal.raise();
  const std::lock_guard lock(mutex_);
  for (DatabaseSession* session : sessions_) session->cancel();
}

void SourceContext::list_tables(std::vector<std::string> tables) {
  {
    const std::lock_guard lock(mutex_);
    listed_tables_ = std::move(tables);
  }
  catalog_is_due_ = true;
  signal.raise();
}

bool SourceContext::await_refresh(std::chrono::milliseconds time_max) {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = ++refreshes_wanted_;
  catalog_is_due_ = true;
  signal.raise();
  return refreshed_.wait_for(lock, time_max, [&] { return refreshes_done_ >= wanted; });
}

std::chrono::steady_clock::time_point SourceContext::notice_due() const {
  return catalog_noticed_ ? notice_welcome_at_ : std::chrono::steady_clock::time_point::max();
}

void SourceContext::stand(bool leader, const std::string& fault) {
  leads_ = leader;
  fault_ = fault;
  const std::string between = fault.empty() || catalog_fault_.empty() ? "" : "; also: ";
  board.stand(sink, true, leader, fault + between + catalog_fault_);
}

void SourceContext::refresh_catalog(DatabaseSession& session) {
  const auto began = std::chrono::steady_clock::now();
  catalog_is_due_ = false;
  catalog_noticed_ = false;
  std::vector<std::string> tables;
  std::uint64_t wanted = 0;
  {
    const std::lock_guard lock(mutex_);
    tables = listed_tables_;
    wanted = refreshes_wanted_;
  }
  const std::string before = std::exchange(catalog_fault_, "");
  if (auto catalog = load_catalog(session, tables)) feed.set_catalog(std::move(catalog));
  const bool loaded = catalog_fault_.empty();
  if (loaded) feed.rows().accept_altered();
  const auto ended = std::chrono::steady_clock::now();
  notice_welcome_at_ = ended + std::max<std::chrono::steady_clock::duration>(
                                   std::chrono::seconds{1}, 9 * (ended - began));
  if (catalog_fault_ != before) stand(leads_, fault_);
  if (!loaded) {
    catalog_noticed_ = true;  // once more, when that is welcome
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    refreshes_done_ = wanted;
  }
  refreshed_.notify_all();
}

std::shared_ptr<const Catalog> SourceContext::load_catalog(
    DatabaseSession& session, const std::vector<std::string>& tables) {
  const StatementLimit limit(session, options.statement_time_max);
  try {
    auto catalog = catalogs.load(session, tables);
    auto skipped = read_skipped(session);
    board.update([&](SourceStatus& status) { status.skipped = std::move(skipped); });
    return catalog;
  } catch (const pqxx::sql_error& error) {
    const std::string passed = limit.passed_by(error);
    if (passed.empty() || stopping()) throw;
    catalog_fault_ =
        "to read the catalog of what is watched " + passed + "; it is tried again later";
    if (!catalogs.has_loaded()) throw CaptureFault(ErrorKind::unavailable, catalog_fault_);
    return nullptr;
  }
}

SourceContext::Cancellable::Cancellable(SourceContext& context, DatabaseSession& session)
    : context_(context), session_(session) {
  const std::lock_guard lock(context_.mutex_);
  context_.sessions_.push_back(&session_);
}

SourceContext::Cancellable::~Cancellable() {
  const std::lock_guard lock(context_.mutex_);
  std::erase(context_.sessions_, &session_);
}

}  // namespace pgtide
