#pragma once
#include <chrono>
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
  // Throws CaptureFault (unavailable) where it takes longer than `time_max`, or waits for a lock
  // for a tenth of it: then the next looks are at fewer tables.
  void look(DatabaseSession& session, std::chrono::milliseconds time_max);
  // There is a catalog to go on with.
  bool has_loaded() const { return loaded_; }
  // The last look came to the last table.
  bool has_looked_at_all() const { return looked_past_ == 0; }

 private:
  // The collections of one look: past < id <= upto.
  struct Turn {
    std::int32_t past = 0;
    std::int32_t upto = 0;
    std::string name = "what is watched";  // in messages
  };
  void begin(Turn& turn, DatabaseSession& session);
  void look_at(const Turn& turn, DatabaseSession& session);

  std::vector<Collection> collections_;
  std::vector<std::string> unwatched_;
  // By collection: what the last look at it found, which it could not keep in the database while a
  // `watch` was at work.
  std::map<std::int32_t, std::string> seen_faults_;
  bool loaded_ = false;
  std::int32_t looked_past_ = 0;  // the next look begins after this collection; 0: at the first
  std::int64_t looked_at_once_ = 0;  // tables; 0: as many as one look ever takes
};

}  // namespace pgtide
