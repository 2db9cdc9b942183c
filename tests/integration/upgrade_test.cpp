// A live database moves by a dump to the newest PostgreSQL that there is, while clients stay
// connected to the bridge: another server answers at the same address, as after a DNS change.
#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>

#include "support/client_programs.hpp"
#include "support/running_bridge.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

struct Way {
  const char* why;
  const char* dump;
  const char* restore;
};

const Way ways[] = {
    {"everything becomes the property of whoever restores",
     "pg_dump --exclude-table-data='pgtide.log*' --exclude-table-data='pgtide.tick*' -Fc -f shop "
     "\"$OLD\"",
     "psql \"$NEW_SERVER\" -c 'create role shop login createrole' "
     "-c 'create database shop owner shop'\n"
     "pg_restore --no-owner --no-acl --exit-on-error -1 -d \"$NEW\" shop"},
    {"with the roles, and what they were granted",
     "pg_dumpall --roles-only -f roles.sql -d \"$OLD_SERVER\"\n"
     "pg_dump --exclude-table-data='pgtide.log*' --exclude-table-data='pgtide.tick*' -Fc -f shop "
     "\"$OLD\"",
     "psql -f roles.sql \"$NEW_SERVER\"\n"
     "psql \"$NEW_SERVER\" -c 'create database shop owner shop'\n"
     "pg_restore --exit-on-error -1 -d \"$NEW_AS_SUPERUSER\" shop"},
    {"the log too, in an ordinary dump",
     "pg_dumpall --roles-only -f roles.sql -d \"$OLD_SERVER\"\n"
     "pg_dump -Fp -f shop \"$OLD\"",
     "psql -f roles.sql \"$NEW_SERVER\"\n"
     "psql \"$NEW_SERVER\" -c 'create database shop owner shop'\n"
     "psql -X -q -1 -v ON_ERROR_STOP=1 -f shop \"$NEW_AS_SUPERUSER\""},
};

// An address behind which one server stands, and then another.
class Address {
 public:
  explicit Address(const PrivatePostgres& server) { turn_to(server); }
  void turn_to(const PrivatePostgres& server) {
    std::filesystem::remove(folder_.path("server"));
    std::filesystem::create_directory_symlink(server.directory(), folder_.path("server"));
    url_ = server.url("shop", "shop");
    url_.replace(url_.find(server.directory()), server.directory().size(), folder_.path("server"));
  }
  const std::string& url() const { return url_; }

 private:
  Folder folder_;
  std::string url_;
};

struct Move {
  Move()
      : old_server(make_cluster()), new_server(make_newest_cluster()), address(old_server) {
    std::filesystem::permissions(folder.path(""), std::filesystem::perms::all);
    Session(old_server.url()).run("create role shop login createrole; create role web login");
    Session(old_server.url()).run("create database shop owner shop");
    const Result<void> installed = install(address.url());
    if (!installed) FAIL(installed.error().to_string());
    Session(address.url())
        .run("create table posts (id int primary key, title text); "
             "create table parts (id int, n int, primary key (id, n)) partition by range (id); "
             "create table parts_low partition of parts for values from (0) to (100); "
             "insert into posts values (1, 'a'); grant select on posts to web; "
             "select pgtide.watch('posts'), pgtide.watch('parts')");
    Session(old_server.url("shop"))
        .run("grant usage on schema pgtide_api to web; "
             "grant execute on function pgtide_api.broadcast(text, json) to web");
  }
  std::unique_ptr<Bridge> start_bridge() {
    Config config;
    config.database.url = address.url();
    config.server.port = 0;
    config.rules = folder.write("rules.yaml",
                                "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                                "  parts:\n    subscribe: public\n");
    auto bridge = std::make_unique<Bridge>(config);
    if (const auto started = bridge->start(); !started) FAIL(started.error().to_string());
    wait_until_ready(*bridge);
    return bridge;
  }
  static void wait_until_ready(const Bridge& bridge) {
    HttpReply reply;
    eventually([&] { return (reply = http(bridge.address(), "GET /readyz")).status == 200; },
               patience, [&] { return reply.body; });
  }
  void carry_out(const char* commands) {
    const auto done = in_shell(
        commands,
        {"OLD_SERVER=" + old_server.url(), "OLD=" + old_server.url("shop", "shop"),
         "NEW_SERVER=" + new_server.url(), "NEW=" + new_server.url("shop", "shop"),
         "NEW_AS_SUPERUSER=" + new_server.url("shop")},
        folder.path(""));
    REQUIRE_MESSAGE(done.code == 0, done.errors);
    // PostgreSQL 16 and later do not take from an older one's dump what a role with CREATEROLE has
    // granted: that it is a member of the capture role.
    std::istringstream lines(done.errors);
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK((!holds(line, "ERROR:") || holds(line, "role \"postgres\" already exists") ||
             holds(line, "permission denied to grant privileges as role \"shop\"")));
    }
  }

  PrivatePostgres old_server, new_server;
  Address address;
  Folder folder;
};

std::string next_event(Subscriber& client) {
  const std::string frame = client.next();
  if (member(frame, "type") == "resync_required") return member(frame, "reason");
  return member(frame, "collection") + ' ' + member(frame, "action") + ' ' +
         member(frame, "record_id");
}

}  // namespace

TEST_CASE("upgrade: clients of a database that a dump brought to the newest server hear of it") {
  for (const Way& way : ways) {
    const std::string why = way.why;
    CAPTURE(why);
    Move move;
    if (!can_dump(Session(move.old_server.url()))) return;
    const auto bridge = move.start_bridge();
    Subscriber client(bridge->address());
    client.subscribe({"posts.*", "parts.*"});
    Session old(move.address.url());
    old.run("insert into posts values (2, 'b')");
    CHECK(next_event(client) == "posts create 2");

    move.carry_out(way.dump);
    old.run("insert into posts values (3, 'after the dump')");
    CHECK(next_event(client) == "posts create 3");
    move.carry_out(way.restore);
    const Result<void> installed = install(move.new_server.url("shop", "shop"));
    if (!installed) FAIL(installed.error().to_string());

    old.close();
    move.address.turn_to(move.new_server);
    REQUIRE(move.old_server.stop().ok());
    CHECK(next_event(client) == "log_lost");
    Session(move.address.url())
        .run("insert into posts values (3, 'c'); insert into parts values (1, 2); "
             "update posts set title = 'd' where id = 1; delete from parts");
    std::string heard;
    for (int i = 0; i < 4; ++i) heard += next_event(client) + '\n';
    CHECK(heard ==
          "posts create 3\nparts create 1,2\nposts update 1\nparts delete 1,2\n");
    Move::wait_until_ready(*bridge);
    CHECK(holds(http(bridge->address(), "GET /readyz").body, "\"problems\":[]"));
    bridge->stop();
  }
}
