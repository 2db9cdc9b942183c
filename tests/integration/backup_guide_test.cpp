// docs/guide/backup.md as it stands: a database moves to another cluster by its commands, each of
// which is run here, in their order. Only the addresses are others.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <regex>

#include "support/client_programs.hpp"
#include "support/eventually.hpp"
#include "support/folder.hpp"
#include "support/running_bridge.hpp"
#include "support/text.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

// The page's blocks, by the heading that they stand under.
std::map<std::string, std::vector<std::string>> blocks_of_guide() {
  std::map<std::string, std::vector<std::string>> blocks;
  const std::string page = file_text(PGTIDE_SOURCE_DIR "/docs/guide/backup.md");
  const std::regex piece("(^|\n)## ([^\n]*)|\n```(sh|sql)\n([^`]*)```");
  std::string heading;
  for (std::sregex_iterator found(page.begin(), page.end(), piece), none; found != none; ++found) {
    if ((*found)[2].matched)
      heading = (*found)[2];
    else
      blocks[heading].push_back((*found)[4]);
  }
  return blocks;
}

// What the guide's reader has: two servers, a folder, and the addresses of both.
class Reader {
 public:
  Reader() : old_(make_cluster()), new_(make_newest_cluster()), blocks_(blocks_of_guide()) {
    folder_.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
    std::filesystem::permissions(folder_.path(""), std::filesystem::perms::all);
  }

  std::string live() const { return old_.url("shop", "shop"); }
  std::string moved() const { return new_.url("shop", "shop"); }
  PrivatePostgres& old_server() { return old_; }
  PrivatePostgres& new_server() { return new_; }
  const std::string& block(const std::string& heading, std::size_t n) {
    ++used_;
    REQUIRE(blocks_[heading].size() > n);
    return blocks_[heading][n];
  }
  void carry_out(const std::string& heading, std::size_t n) {
    const std::string commands = block(heading, n);
    CAPTURE(commands);
    const std::string folder = std::filesystem::path(PGTIDE_PROGRAM).parent_path();
    const auto done = in_shell("export PATH=$PATH:" + folder + "\n" + commands, environment(),
                               folder_.path(""));
    REQUIRE_MESSAGE(done.code == 0, done.errors);
  }
  std::vector<std::string> environment() const {
    return {"OLD_SERVER=" + old_.url(),      "OLD=" + live(),
            "NEW_SERVER=" + new_.url(),      "NEW=" + moved(),
            "NEW_AS_SUPERUSER=" + new_.url("shop"), "NEW_COPY=" + new_.url("shop_copy", "shop")};
  }
  std::size_t unused() const {
    std::size_t all = 0;
    for (const auto& [heading, found] : blocks_) all += found.size();
    return all - used_;
  }
  std::string file(const std::string& name) const { return folder_.path(name); }

 private:
  PrivatePostgres old_, new_;
  Folder folder_;
  std::map<std::string, std::vector<std::string>> blocks_;
  std::size_t used_ = 0;
};

// The program at work on a database, until the end of the scope.
class MovedBridge {
 public:
  MovedBridge(const Reader& reader, const std::string& url)
      : program_(PGTIDE_PROGRAM, {"run"},
                 {.environment = {"DATABASE_URL=" + url, "PGTIDE_SERVER_LISTEN=127.0.0.1:0",
                                  "PGTIDE_SERVER_PORT_FILE=" + reader.file("port"),
                                  "PGTIDE_RULES=" + reader.file("rules.yaml")}}) {
    const std::string port = reader.file("port");
    eventually([&] { return std::filesystem::exists(port) || !program_.running(); }, patience,
               [&] { return program_.errors(); });
    address_ = first_line(port);
    std::filesystem::remove(port);
    HttpReply reply;
    eventually([&] { return (reply = http(address_, "GET /readyz")).status == 200; }, patience,
               [&] { return reply.body + program_.errors(); });
  }
  ~MovedBridge() {
    program_.signal(SIGTERM);
    program_.wait();
  }
  const std::string& address() const { return address_; }

 private:
  Program program_;
  std::string address_;
};

// The next frame, as what happened to which record.
std::string next_event(Subscriber& client) {
  const std::string frame = client.next();
  const std::string type = member(frame, "type");
  if (type == "resync_required") return type + ' ' + member(frame, "reason");
  if (type == "custom_event") return type;
  return member(frame, "action") + ' ' + member(frame, "record_id");
}

std::string next_events(Subscriber& client, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += next_event(client) + '\n';
  return text;
}

}  // namespace

TEST_CASE("backup guide: its commands move a live database to another cluster") {
  Reader reader;
  Session(reader.old_server().url()).run("create role shop login createrole");
  Session(reader.old_server().url()).run("create database shop owner shop");
  REQUIRE(install(reader.live()).ok());
  Session live(reader.live());
  live.run("create table posts (id int primary key, title text); select pgtide.watch('posts'); "
           "insert into posts values (1, 'a'), (2, 'b')");
  if (!can_dump(live)) return;
  const std::string addresses = reader.block("", 0);
  for (const std::string& variable : reader.environment()) {
    CAPTURE(variable);
    CHECK(holds(addresses, "export " + variable.substr(0, variable.find('=') + 1)));
  }

  reader.carry_out("Into another cluster", 0);
  CHECK(Session(reader.moved()).value("select count(*) from pgtide.log") == "1");  // the mark
  reader.carry_out("Into another cluster", 1);
  Session(reader.new_server().url("shop", "web"))
      .run("select pgtide_api.broadcast('posts', '{}')");
  {
    const MovedBridge bridge(reader, reader.moved());
    Subscriber client(bridge.address());
    client.subscribe({"posts.*"});
    Session moved(reader.moved());
    moved.run("insert into posts values (3, 'c')");
    CHECK(next_events(client, 1) == "create 3\n");  // the log was begun anew
    reader.carry_out("Rows alone, or one table", 0);
    CHECK(next_events(client, 3) == "truncate null\ncreate 1\ncreate 2\n");
    reader.carry_out("Rows alone, or one table", 1);
    moved.run("insert into posts values (4, 'd')");
    CHECK(next_events(client, 2) == "resync_required schema_changed\ncreate 4\n");
  }

  reader.carry_out("A copy of a database", 0);
  Session copy(reader.new_server().url("shop_copy", "shop"));
  CHECK(copy.value("select capture_role = 'pgtide_capture_' || oid from pgtide.meta, pg_database "
                   "where datname = current_database()") == "t");
  copy.close();

  Session(reader.new_server().url()).run("drop database shop");
  reader.carry_out("With its roles and rights", 0);
  {
    const MovedBridge bridge(reader, reader.moved());
    Subscriber client(bridge.address());
    client.subscribe({"posts.*"});
    Session(reader.moved()).run("insert into posts values (5, 'e')");
    CHECK(next_events(client, 1) == "create 5\n");
  }

  const std::string migration = reader.block("Tools that make databases", 0);
  Session shadow(reader.new_server().url());
  shadow.run("create table posts (id int primary key)");
  CHECK(shadow.attempt(migration).ok());
  live.run("select pgtide.unwatch('posts')");
  live.run(migration);
  CHECK(live.value("select count(*) from pgtide.collection") == "1");
  CHECK(reader.unused() == 0);
}
