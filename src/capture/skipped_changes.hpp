#pragma once
#include <string>
#include <vector>

#include "capture/change_row.hpp"
#include "capture/database_session.hpp"

namespace pgtide {

// Keeps in the database what was skipped, and notifies every bridge. By the leader.
void keep_skipped(DatabaseSession& session, const ChangeRows::SkippedChanges& skipped);

// What is kept there of the last hour, each as a sentence that ends with the command which
// acknowledges it.
std::vector<std::string> read_skipped(DatabaseSession& session);

}  // namespace pgtide
