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

using Listed = std::vector<ListedConnection>;

bool stands_before(const ListedConnection& left, const ListedConnection& right) {
  return left.record.id < right.record.id;
}

bool is_slower(const ListedConnection& left, const ListedConnection& right) {
  return std::tie(left.backlog_bytes, left.events_sent) >
         std::tie(right.backlog_bytes, right.events_sent);
}

// Each shard has given one more than a page, where it had as many.
ConnectionPage make_page(std::vector<Listed> by_shard, std::size_t limit, bool slowest_first) {
  ConnectionPage page;
  auto& all = page.connections;
  for (Listed& listed : by_shard) {
    std::move(listed.begin(), listed.end(), std::back_inserter(all));
  }
  std::sort(all.begin(), all.end(), slowest_first ? is_slower : stands_before);
  if (all.size() > limit) {
    all.resize(limit);
    if (!slowest_first) page.next = all.back().record.id;
  }
  return page;
}

}  // namespace

void BridgeCore::list(ConnectionQuery query, std::function<void(ConnectionPage)> done) {
  const std::size_t limit = query.limit;
  const bool slowest_first = query.slowest_first;
  const auto finish = [limit, slowest_first, done = std::move(done)](std::vector<Listed> by_shard) {
    done(make_page(std::move(by_shard), limit, slowest_first));
  };
  query.limit = limit + 1;
  const auto all = std::make_shared<Gathering<Listed>>(shards_.size(), finish);
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
  std::promise<std::vector<Listed>> answer;
  const auto all = std::make_shared<Gathering<Listed>>(
      shards_.size(), [&answer](std::vector<Listed> by_shard) {
        answer.set_value(std::move(by_shard));
      });
  for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i]->list({}, all->slot(i));
  std::vector<Listed> by_shard = answer.get_future().get();
  std::vector<std::pair<std::size_t, ListedConnection>> found;
  for (std::size_t shard = 0; shard < by_shard.size(); ++shard) {
    for (ListedConnection& listed : by_shard[shard]) {
      found.emplace_back(shard, std::move(listed));
    }
  }
  return found;
}

void BridgeCore::close_connection(std::size_t shard, const std::string& id) {
  shards_[shard]->kick({.id = id}, [](std::size_t) {});
}

}  // namespace pgtide
