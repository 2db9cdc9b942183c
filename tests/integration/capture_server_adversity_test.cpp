#include <doctest/doctest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "capture/inspection.hpp"
#include "integration/capture_scene.hpp"
#include "support/odd_clock.hpp"
#include "support/program.hpp"

// What a server does and what lies before it: a pooler, a disk that is full, a clock that jumps.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

struct stat owner_of(const PrivatePostgres& server) {
  struct stat found {};
  REQUIRE(stat(server.directory().c_str(), &found) == 0);
  return found;
}

// A real pgbouncer before the server, on a socket beside the server's own.
class Pooler {
 public:
  Pooler(const PrivatePostgres& server, const std::string& mode) : directory_(server.directory()) {
    const struct stat owner = owner_of(server);
    const std::string file = directory_ + "/pgbouncer.ini";
    std::ofstream(file) << "[databases]\n* = host=" << directory_ << " user=postgres\n"
                        << "[pgbouncer]\npool_mode = " << mode << "\nauth_type = any\n"
                        << "unix_socket_dir = " << directory_ << "\n";
    REQUIRE(chown(file.c_str(), owner.st_uid, owner.st_gid) == 0);
    std::vector<std::string> arguments{file};
    // As root it refuses to run.
    if (geteuid() == 0) arguments = {"-u", getpwuid(owner.st_uid)->pw_name, file};
    program_.emplace(find(), arguments);
  }
  std::string url(const Database& database) const {
    return "host=" + directory_ + " port=" + its_own + " user=postgres dbname=" + database.name();
  }

 private:
  static std::string find() {
    for (const char* path : {"/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"})
      if (std::filesystem::exists(path)) return path;
    FAIL("pgbouncer is missing; on Debian: apt-get install pgbouncer");
    return {};
  }

  static constexpr const char* its_own = "6432";  // part of the socket's name, and no TCP port
  std::string directory_;
  std::optional<Program> program_;
};

// A disk that is full, for one table: its file is as long as PostgreSQL makes one (1 GB, all of it
// a hole), and the next one is /dev/full, where each write fails as on a full disk (ENOSPC).
class FullDisk {
 public:
  FullDisk(const PrivatePostgres& server, Database& database, const std::string& table)
      : next_(server.directory() + "/data/" +
              *database.value("select pg_relation_filepath('" + table + "')")) {
    std::filesystem::resize_file(next_, std::uintmax_t{1} << 30);
    next_ += ".1";
    std::filesystem::create_symlink("/dev/full", next_);
  }
  void make_room() { std::filesystem::remove(next_); }

 private:
  std::string next_;
};

}  // namespace

TEST_CASE("server: a pooler is found out and refused with the reason, and the server's address "
          "serves") {
  Scene scene;
  for (const char* mode : {"transaction", "session"}) {  // which cannot be told apart
    const Pooler pooler(scene.server, mode);
    SourceOptions options = Running::options_for(*scene.database);
    options.url = pooler.url(*scene.database);
    scene.running.emplace(options);
    scene.wait_for_fault("is a connection pooler, which breaks locks and notifications");
    CHECK(!scene.running->source->status().connected);
    const auto status = read_status(options.url);
    REQUIRE(!status);
    CHECK(holds(status.error().message, "give the server's own address in database.url"));
  }
  scene.start();
  scene.insert(1);
  scene.wait_for({"1"});
}

TEST_CASE("server: a full disk is said, and when there is room the stream goes on") {
  Scene scene;
  scene.start();
  scene.insert(1);
  scene.wait_for({"1"});
  FullDisk disk(scene.server, *scene.database, "pgtide.tick0");
  int last = 1;
  eventually(
      [&] {
        scene.insert(++last);
        return holds(scene.fault(), "make room on the database's disk");
      },
      30s, [&] { return scene.fault(); });
  CHECK(!scene.running->source->status().leader);
  disk.make_room();
  scene.running->wait_until_leading();
  scene.insert(++last);
  std::vector<std::string> expected;
  for (int id = 1; id <= last; ++id) expected.push_back(std::to_string(id));
  scene.wait_for(expected);
  CHECK(scene.running->sink.broken().empty());
}

TEST_CASE("server: a clock that jumps loses nothing, repeats nothing and stops nothing") {
  OddClock clock;
  InstalledDatabase database("", *clock.server);
  database.run("create table posts (id bigint primary key, title text)");
  watch_in(database, "posts");
  SourceOptions options = Running::options_for(database);
  options.retention = 600ms;
  Running running(options);
  running.wait_until_leading();
  long last = 0;
  const auto insert = [&] {
    database.run("insert into posts values (" + std::to_string(++last) + ")");
    running.wait_for(static_cast<std::size_t>(last));
  };
  const auto current = [&] {
    return database.value("select pg_sequence_last_value('pgtide.current')");
  };
  struct Jump {
    const char* offset;
    const char* why;
  };
  for (const Jump& jump : {Jump{"+0", "none yet"}, Jump{"+3600", "an hour forward"},
                           Jump{"+0", "an hour back"}, Jump{"-7200", "two hours back"}}) {
    const std::string why = jump.why;
    CAPTURE(why);
    insert();
    eventually([&] { return is_armed(database); });  // it sleeps, for so long by the server's clock
    clock.set(jump.offset);
    insert();
    // Rotation goes on, until the next table still holds what retention keeps.
    if (why == "two hours back") continue;
    const auto before = current();
    eventually([&] { insert(); return current() != before; }, 20s);
  }
  std::vector<std::string> expected;
  for (long id = 1; id <= last; ++id) expected.push_back(std::to_string(id));
  CHECK(created_in(running.sink) == expected);
  CHECK(running.sink.broken() == std::vector<std::string>{});
  CHECK(running.source->status().reconnects == 0);
}

TEST_CASE("server: a log that is too large is emptied although its ticks are of a later time") {
  OddClock clock;
  clock.set("+3600");
  InstalledDatabase database("", *clock.server);
  database.run("create table posts (id bigint primary key, title text)");
  watch_in(database, "posts");
  SourceOptions options = Running::options_for(database);
  options.log_bytes = 600'000;
  Running running(options);
  running.wait_until_leading();
  database.run("insert into posts values (0, 'first')");
  running.wait_for(1);
  clock.set("+0");
  int last = 0;
  eventually([&] {
    database.run("insert into posts values (" + std::to_string(++last) + ", repeat('x', 50000))");
    return database.value("select count(*) from pgtide.log where record = '0'") == "0";
  });
  CHECK(running.source->status().fault.empty());
}

TEST_CASE("server: an open transaction keeps the log, is named, and when it ends all goes on") {
  Posts posts;
  SourceOptions options = Running::options_for(posts.database);
  options.retention = 300ms;
  Running running(options);
  running.wait_until_leading();
  // Of another database of the cluster, even.
  const Database elsewhere;
  Session open = elsewhere.session();
  open.run("set application_name = 'report'");
  open.run("create table t (id int); begin");
  open.run("insert into t values (1)");
  long last = 0;
  const auto insert = [&] {
    posts.database.run("insert into posts values (" + std::to_string(++last) + ")");
  };
  const auto first_is_kept = [&] {
    return posts.database.value("select count(*) from pgtide.log where record = '1'") == "1";
  };
  insert();
  eventually([&] {
    insert();
    return posts.database.value("select count(*) from pgtide.rotation where seal is not null") ==
           "1";
  });
  const auto queries = running.source->status().queries;
  eventually([&] { return running.source->status().queries > queries + 100; });
  CHECK(first_is_kept());
  const auto facts = read_facts(posts.database.url());
  REQUIRE(facts.ok());
  CHECK(facts->oldest_transaction_of == "process " + std::to_string(open.pid()) + " ('report')");
  open.run("commit");
  eventually([&] {
    insert();
    return !first_is_kept();
  });
  running.wait_for(static_cast<std::size_t>(last));
  CHECK(running.source->status().fault.empty());
}
