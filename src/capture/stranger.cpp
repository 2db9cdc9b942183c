#include "capture/stranger.hpp"

#include "capture/change_row.hpp"
#include "capture/leader.hpp"

namespace pgtide {

std::string Stranger::look(DatabaseSession& session) {
  const auto holders = session.run(
      std::string(
          "with held as (select pid, classid, objid from pg_locks where locktype = 'advisory' "
          "and granted and objsubid = 2 and database = "
          "(select oid from pg_database where datname = current_database())) "
          "select h.pid, coalesce(a.application_name, '') from held h "
          "left join pg_stat_activity a using (pid) where (h.classid, h.objid) = (") +
      leader_lock + ") and not exists (select from held m where m.pid = h.pid and " +
      "(m.classid, m.objid) = (" + leader_mark + "))");
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
