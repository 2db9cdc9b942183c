#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capture/database_session.hpp"
#include "model/catalog.hpp"

namespace pgtide {

// Reads what the database watches, and which of the rules' tables it does not. Keeps the last it
// has read, so that nobody is told of a change that is none. One thread.
class CatalogLoader {
 public:
  // Null where nothing has changed since the last load.
  std::shared_ptr<const Catalog> load(DatabaseSession& session,
                                      const std::vector<std::string>& listed_tables);
  // Lets the database look at the next watched tables (trigger, key, columns, files), log what
  // clients must know of them, and keep what is wrong, which each bridge's next load() carries.
  // Where there are more than a few hundred it takes several calls to look at all. By the leader.
  void look(DatabaseSession& session);
  // The last look came to the last table.
  bool has_looked_at_all() const { return looked_past_ == 0; }

 private:
  std::vector<Collection> collections_;
  std::vector<std::string> unwatched_;
  // By collection: what the last look at it found, which it could not keep in the database while a
  // `watch` was at work.
  std::map<std::int32_t, std::string> seen_faults_;
  bool loaded_ = false;
  std::int32_t looked_past_ = 0;  // the next look begins after this collection; 0: at the first
};

}  // namespace pgtide
