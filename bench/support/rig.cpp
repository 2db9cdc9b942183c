#include "support/rig.hpp"

#include "support/sql.hpp"

namespace pgtide::bench {
namespace {

// A checkpoint in one round and none in the next would be what is measured.
const std::vector<std::string> cluster_settings = {
    "fsync=on", "synchronous_commit=on", "shared_buffers=512MB", "max_wal_size=8GB",
    "checkpoint_timeout=1h"};

constexpr const char* posts_table =
    "create table posts (id bigint primary key, author_id bigint not null, title text not null, "
    "body text not null, likes bigint not null default 0, "
    "updated_at timestamptz not null default now())";

std::string fill_posts(unsigned rows) {
  return "insert into posts (id, author_id, title, body) "
         "select n, n % 1000, 'Post number ' || n, repeat(md5(n::text), 3) "
         "from generate_series(1, " + std::to_string(rows) + ") n";
}

PrivatePostgresOptions cluster_options(const BenchOptions& options) {
  PrivatePostgresOptions made;
  made.parent_directory = options.directory;
  made.fsync = true;
  made.settings = cluster_settings;
  return made;
}

}  // namespace

Rig::Rig(const BenchOptions& options)
    : options_(options),
      folder_(options.directory),
      cluster_(take(PrivatePostgres::create(cluster_options(options)))) {}

void Rig::make_database(const std::string& name, unsigned rows) {
  Sql(url("postgres")).run("create database " + name);
  Sql database(url(name));
  database.run(posts_table);
  database.run(fill_posts(rows));
  database.run("vacuum analyze posts");
  database.run("checkpoint");
}

void Rig::watch(const std::string& name) {
  run_to_end({options_.pgtide, "install", "--database", url(name)}, folder_, "install.log");
  run_to_end({options_.pgtide, "watch", "posts", "--database", url(name)}, folder_, "watch.log");
}

std::unique_ptr<BridgeProgram> Rig::start_bridge(const std::string& name,
                                                 const BridgeSetup& setup) const {
  return std::make_unique<BridgeProgram>(options_.pgtide, url(name), folder_, setup);
}

void Rig::describe(Report& report) const {
  std::string settings;
  for (const std::string& setting : cluster_settings) settings += " " + setting;
  report.describe("PostgreSQL " + Sql(url("postgres")).value("show server_version") +
                  " on the same machine, data on " + file_system_of(cluster_.directory()) + ":" +
                  settings);
}

}  // namespace pgtide::bench
