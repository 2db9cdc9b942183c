#include "capture/skipped_changes.hpp"

#include "model/wording.hpp"

namespace pgtide {

void keep_skipped(DatabaseSession& session, const ChangeRows::SkippedChanges& skipped) {
  for (const auto& [collection, changes] : skipped)
    session.run_with("select pgtide.note_skipped($1::int, $2::bigint, $3::text)", collection,
                     changes.changes, changes.newest);
}

std::vector<std::string> read_skipped(DatabaseSession& session) {
  std::vector<std::string> texts;
  for (const auto& row : session.run("select wrong, mend from pgtide.skipped_faults()"))
    texts.push_back(one_line(text_of(row[0])) + "; run: " + one_line(text_of(row[1])));
  return texts;
}

}  // namespace pgtide
