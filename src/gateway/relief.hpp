#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "broker/broker.hpp"

namespace pgtide {

struct GatewayCore;

// What a shard does where the account of memory (broker/memory_account.hpp) is over. Owned by its
// shard's thread; does nothing where no account is kept.
class Relief {
 public:
  explicit Relief(GatewayCore& core) : core_(core) {}

  // Writes what the backlogs hold into the ledger of all shards, where it is much else than when
  // that was done last.
  void weigh_backlogs();
  // Drops backlogs that are among the largest of all shards. Where the account is not eased then,
  // the others are asked, and it is false.
  bool drop_or_ask();
  // The same for those that have most of what is never dropped: they are cut off.
  void cut_off_or_ask();
  // Another shard has asked. Asks nobody: else two of them would go on asking each other.
  void do_what_is_asked();

 private:
  using Sized = std::pair<std::size_t, ConnectionNumber>;
  std::vector<Sized> weigh_all();
  bool drop();
  bool cut_off();

  GatewayCore& core_;
  std::size_t weighed_at_ = 0;       // so much waited then
  std::size_t cut_off_in_vain_ = 0;  // so much was unread then; 0: it was not in vain
};

}  // namespace pgtide
