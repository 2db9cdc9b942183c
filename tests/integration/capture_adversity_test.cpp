#include <doctest/doctest.h>

#include <libpq-fe.h>

#include <fstream>
#include <optional>
#include <thread>

#include "integration/capture_scene.hpp"

// What databases do to a bridge that runs. Each time it says what is wrong and how to mend it, and
// when it is mended the stream goes on by itself, with every change once.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

TEST_CASE("adversity: a schema dropped under the source is missed, and taken up when it is back") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  // Who drops a schema in use may be told of a deadlock, and drops it again.
  Session dropping = posts.database.session();
  eventually([&] { return dropping.attempt("drop schema pgtide cascade").ok(); });
  eventually([&] { return holds(running.source->status().fault, "run: pgtide install"); }, 30s,
             [&] { return running.source->status().fault; });
  posts.database.run("insert into posts values (1)");  // no writer is harmed
  install_in(posts.database);
  watch_in(posts.database, "posts");
  running.wait_until_leading();
  posts.database.run("insert into posts values (2)");
  eventually([&] {
    const auto lines = lines_of(running.sink.events());
    return !lines.empty() && lines.back() == "create posts 2 {\"id\":2,\"title\":null}";
  });
  CHECK(running.sink.begins().back().why.has_value());
  CHECK(running.sink.broken().empty());
}

TEST_CASE("adversity: a schema of another version is refused with what to do") {
  Posts posts;
  const auto version = posts.database.value("select schema_version from pgtide.meta");
  for (const auto& [other, mend] : {std::pair{"1000000", "use a newer pgtide"},
                                    std::pair{"0", "run: pgtide install"}}) {
    posts.database.run("update pgtide.meta set schema_version = " + std::string(other));
    Running running(posts.database);
    eventually([&, part = mend] { return holds(running.source->status().fault, part); });
    posts.database.run("update pgtide.meta set schema_version = " + *version);
    running.wait_until_leading();
    CHECK(running.source->status().fault.empty());
  }
}

TEST_CASE("adversity: where max_connections is reached it says so, and comes when there is room") {
  Scene scene({"max_connections=14", "superuser_reserved_connections=0"});
  scene.start();
  scene.insert(1);
  scene.wait_for({"1"});
  Session administrator(scene.server.url());
  std::vector<PGconn*> others;
  eventually(
      [&] {
        others.push_back(PQconnectdb(scene.server.url().c_str()));
        administrator.run(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'pgtide'");
        return holds(scene.fault(), "raise max_connections");
      },
      30s);
  for (PGconn* other : others) PQfinish(other);
  scene.running->wait_until_leading();
  scene.insert(2);
  scene.wait_for({"1", "2"});
}

TEST_CASE("adversity: timeouts and a read-only default of the database do not concern it") {
  Posts posts;
  const Session session(posts.database.url());
  for (const std::string setting :
       {"statement_timeout = '300ms'", "lock_timeout = '200ms'", "idle_session_timeout = '300ms'",
        "idle_in_transaction_session_timeout = '300ms'", "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'", "search_path = ''"}) {
    if (setting.starts_with("idle_session") && session.server_version() < 140'000) continue;
    posts.database.run("alter database " + posts.database.name() + " set " + setting);
  }
  Running running(posts.database);
  running.wait_until_leading();
  Session writer(posts.database.url());
  writer.run("select set_config(name, '0', false) from pg_settings where name in "
             "('idle_session_timeout', 'idle_in_transaction_session_timeout')");
  writer.run("begin read write; insert into public.posts values (1); commit");
  running.wait_for(1);
  // A statement of its own waits for a lock for longer than all of these.
  writer.run("begin read write");
  writer.run("lock table pgtide.collection in access exclusive mode");
  std::thread asking([&] { CHECK(running.source->refresh_catalog(30s)); });
  Session observer(cluster().url());
  eventually([&] {
    return observer.value("select exists (select from pg_stat_activity where application_name = "
                          "'pgtide' and datname = '" + posts.database.name() +
                          "' and wait_event_type = 'Lock' and "
                          "clock_timestamp() - query_start > interval '500 ms')") == "t";
  });
  writer.run("commit");
  asking.join();
  CHECK(running.source->status().reconnects == 0);
  CHECK(running.source->status().fault.empty());
}

TEST_CASE("adversity: a lock on a watched table holds up nobody but its own writers") {
  Posts posts;
  Running running(posts.database);
  running.wait_until_leading();
  Session holder(posts.database.url());
  holder.run("begin");
  holder.run("lock table posts in access exclusive mode");
  posts.database.run("select pgtide_api.broadcast('news', '1')");
  running.wait_for(1);
  CHECK(running.source->refresh_catalog(20s));
  holder.run("insert into posts values (1)");
  holder.run("commit");
  running.wait_for(2);
  CHECK(running.source->status().fault.empty());
}

TEST_CASE("adversity: a standby is refused, and served once it is promoted") {
  Scene scene;
  scene.start();
  scene.insert(1);
  scene.wait_for({"1"});
  REQUIRE(scene.server.stop().ok());
  std::ofstream(scene.server.directory() + "/data/standby.signal") << "";
  REQUIRE(scene.server.start().ok());
  scene.wait_for_fault("the server is a standby");
  CHECK(!scene.running->source->status().leader);
  Session(scene.server.url()).run("select pg_promote()");
  scene.running->wait_until_leading();
  scene.insert(2);
  scene.wait_for({"1", "2"});
}

TEST_CASE("adversity: a password that has changed is said, and the new one is not needed twice") {
  Scene scene;
  const std::string url = scene.server.url(scene.database->name(), "postgres") + " password=first";
  Session administrator(scene.server.url());
  administrator.run("set password_encryption = 'scram-sha-256'");  // until 13 it was md5
  administrator.run("alter role postgres password 'first'");
  scene.start(url);
  scene.insert(1);
  scene.wait_for({"1"});
  administrator.run("alter role postgres password 'second'");
  std::ofstream(scene.server.directory() + "/data/pg_hba.conf") << "local all all scram-sha-256\n";
  administrator.run("select pg_reload_conf()");
  administrator.run(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgtide'");
  scene.wait_for_fault("correct the password");
  CHECK(!holds(scene.fault(), "first"));
  administrator.run("alter role postgres password 'first'");
  scene.running->wait_until_leading();
  std::ofstream(scene.server.directory() + "/data/pg_hba.conf") << "local all all trust\n";
  administrator.run("select pg_reload_conf()");
}
