#pragma once
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "integration/capture_recorder.hpp"
#include "support/text.hpp"

namespace pgtide::test {

// A cluster of its own with one watched table and a source on it.
struct Scene {
  explicit Scene(std::vector<std::string> settings = {})
      : server(make_cluster(std::move(settings))) {
    database.emplace("", server);
    database->run("create table posts (id bigint primary key, title text)");
    watch_in(*database, "posts");
  }
  ~Scene() {
    running.reset();
    database.reset();
  }
  void start(const std::string& url = "") {
    SourceOptions options = Running::options_for(*database);
    if (!url.empty()) options.url = url;
    start(std::move(options));
  }
  void start(SourceOptions options) {
    running.emplace(std::move(options));
    running->wait_until_leading();
  }
  // A change, from a session of its own, and its arrival.
  void insert(int id) {
    Session(database->url()).run("insert into posts values (" + std::to_string(id) + ")");
  }
  void wait_for(std::vector<std::string> ids) {
    eventually([&] { return created_in(running->sink) == ids; }, std::chrono::seconds{30},
               [&] { return fault(); });
  }
  std::string fault() const { return running->source->status().fault; }
  void wait_for_fault(const std::string& part) {
    eventually([&] { return holds(fault(), part); }, std::chrono::seconds{30},
               [&] { return fault(); });
  }
  PrivatePostgres server;
  std::optional<InstalledDatabase> database;
  std::optional<Running> running;
};

// Ends the sessions of every bridge on this database for which `condition` holds.
inline void end_sessions(const std::string& url, const std::string& condition = "true") {
  Session(url).run(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgtide' "
      "and datname = current_database() and " + condition);
}

}  // namespace pgtide::test
