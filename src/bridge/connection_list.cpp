#include <algorithm>
#include <future>
#include <iterator>
#include <numeric>
#include <tuple>
#include <utility>

#include "bridge/core.hpp"
#include "bridge/gathering.hpp"

// The connections of all shards, for administrators. Each shard picks and copies its own, at most a
// page of them, on its thread; the last to answer puts them together. Nobody waits but the caller
// of connections().
namespace pgtide {
namespace {

bool stands_before(const ListedConnection& left, const ListedConnection& right) {
  return left.record.id < right.record.id;
}

bool is_slower(const ListedConnection& left, const ListedConnection& right) {
  return std::tie(left.backlog_bytes, left.events_sent) >
         std::tie(right.backlog_bytes, right.events_sent);
}

// Each shard has given one more than a page, where it had as many and they did not take too many
// bytes. Past the last of a shard that gave too few, others of its may stand between: there the
// page ends.
ConnectionPage make_page(std::vector<ConnectionPage> by_shard, const ConnectionQuery& query) {
  ConnectionPage page;
  std::vector<std::string> ends;
  auto& all = page.connections;
  for (ConnectionPage& part : by_shard) {
    auto& listed = part.connections;
    if (part.next) ends.push_back(*part.next);
    std::move(listed.begin(), listed.end(), std::back_inserter(all));
  }
  std::sort(all.begin(), all.end(), query.slowest_first ? is_slower : stands_before);
  std::size_t kept = 0;
  std::size_t bytes = 0;
  bool ended = false;
  while (!ended && kept < std::min(all.size(), query.limit) && bytes <= query.bytes_max) {
    bytes += bytes_of(all[kept]);
    ended = std::ranges::find(ends, all[kept++].record.id) != ends.end();
  }
  const bool more = ended || kept < all.size();
  all.resize(kept);
  if (more && !query.slowest_first && kept > 0) page.next = all.back().record.id;
  return page;
}

}  // namespace

void BridgeCore::list(ConnectionQuery query, std::function<void(ConnectionPage)> done) {
  const auto finish = [query, done = std::move(done)](std::vector<ConnectionPage> by_shard) {
    done(make_page(std::move(by_shard), query));
  };
  ++query.limit;
  const auto all = std::make_shared<Gathering<ConnectionPage>>(shards_.size(), finish);
  for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i]->list(query, all->slot(i));
}

void BridgeCore::kick(ConnectionQuery query, std::function<void(std::size_t)> done) {
  const auto finish = [done = std::move(done)](const std::vector<std::size_t>& closed) {
    done(std::accumulate(closed.begin(), closed.end(), std::size_t{0}));
  };
  const auto all = std::make_shared<Gathering<std::size_t>>(shards_.size(), finish);
  for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i]->kick(query, all->slot(i));
}

std::vector<std::pair<std::size_t, ListedConnection>> BridgeCore::connections() const {
  if (stage_ == Stage::made || shards_.empty()) return {};
  std::promise<std::vector<ConnectionPage>> answer;
  const auto all = std::make_shared<Gathering<ConnectionPage>>(
      shards_.size(), [&answer](std::vector<ConnectionPage> by_shard) {
        answer.set_value(std::move(by_shard));
      });
  for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i]->list({}, all->slot(i));
  std::vector<ConnectionPage> by_shard = answer.get_future().get();
  std::vector<std::pair<std::size_t, ListedConnection>> found;
  for (std::size_t shard = 0; shard < by_shard.size(); ++shard) {
    for (ListedConnection& listed : by_shard[shard].connections) {
      found.emplace_back(shard, std::move(listed));
    }
  }
  return found;
}

void BridgeCore::close_connection(std::size_t shard, const std::string& id) {
  shards_[shard]->kick({.id = id}, [](std::size_t) {});
}

}  // namespace pgtide
