#pragma once
#include <memory>
#include <string>

#include "cluster/private_postgres.hpp"
#include "support/bench.hpp"
#include "support/bridge_program.hpp"
#include "support/folder.hpp"
#include "support/report.hpp"

namespace pgtide::bench {

// What a measurement stands on: a PostgreSQL of its own on disk, with fsync and synchronous_commit
// on, and databases that have one table, posts.
class Rig {
 public:
  explicit Rig(const BenchOptions& options);

  // A database with `rows` posts: ids from 1 on, some 250 bytes as JSON each.
  void make_database(const std::string& name, unsigned rows);
  // `pgtide install` and `pgtide watch posts`, by the program under test.
  void watch(const std::string& name);
  std::unique_ptr<BridgeProgram> start_bridge(const std::string& name,
                                              const BridgeSetup& setup = {}) const;

  std::string url(const std::string& database) const { return cluster_.url(database); }
  const PrivatePostgres& cluster() const { return cluster_; }
  PrivatePostgres& cluster() { return cluster_; }
  const Folder& folder() const { return folder_; }
  // The lines of a report that say what stood under it.
  void describe(Report& report) const;

 private:
  const BenchOptions& options_;
  const Folder folder_;
  PrivatePostgres cluster_;
};

}  // namespace pgtide::bench
