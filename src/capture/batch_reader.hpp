#pragma once
#include <optional>
#include <pqxx/pqxx>

#include "capture/pager.hpp"
#include "capture/source_context.hpp"
#include "capture/tick.hpp"

namespace pgtide {

// Reads the batch of one tick and gives it to the feed: in one go where it is small, else in pages
// through a connection of its own, made when first needed.
class BatchReader {
 public:
  BatchReader(SourceContext& context, DatabaseSession& main) : context_(context), main_(main) {}

  // `rows` is what tick_statement() returned. False where it was stopped before the end.
  bool deliver_fresh(const Tick& tick, const pqxx::result& rows);
  // A tick that somebody made before.
  bool deliver_stored(const Tick& tick);
  // Closes the connection for pages if nothing was paged since the last call.
  void rest();

 private:
  struct Pages {
    Pages(SourceContext& context, const DatabaseSession& main);
    DatabaseSession session;
    SourceContext::Cancellable cancellable;
  };

  bool deliver(const Tick& tick, const pqxx::result& rows);
  bool deliver_pages(const Tick& tick, std::uint64_t after);
  void take(const pqxx::result& rows, int first);
  void skip(std::uint64_t id);  // a change that PostgreSQL cannot print
  void require_kept(DatabaseSession& session, const Tick& tick);

  SourceContext& context_;
  DatabaseSession& main_;
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<Pager> pager_;
  bool paged_ = false;
};

}  // namespace pgtide
