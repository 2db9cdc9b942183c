#include "capture/source_context.hpp"

#include <utility>

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
  tables_changed_ = true;
  signal.raise();
}

void SourceContext::refresh_catalog(DatabaseSession& session) {
  tables_changed_ = false;
  std::vector<std::string> tables;
  {
    const std::lock_guard lock(mutex_);
    tables = listed_tables_;
  }
  if (auto catalog = catalogs.load(session, tables)) feed.set_catalog(std::move(catalog));
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
