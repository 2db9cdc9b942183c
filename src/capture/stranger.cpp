#include "capture/stranger.hpp"

#include "capture/change_row.hpp"

namespace pgtide {

std::string Stranger::look(DatabaseSession& session) {
  const auto holders = session.run(
      "select h.pid, coalesce(a.application_name, '') from pgtide.lock_holder h "
      "left join pg_stat_activity a using (pid) where not h.is_bridge");
  const std::string found = holders.empty() ? "" : std::string(text_of(holders[0][0]));
  const bool stays = !found.empty() && found == last_;
  last_ = found;
  if (!stays) return {};
  return "the leader's lock is held by process " + found + " (" +
         std::string(text_of(holders[0][1])) +
         "), which is no bridge: no change is sent; end it, or run: select pg_terminate_backend(" +
         found + ")";
}

}  // namespace pgtide
