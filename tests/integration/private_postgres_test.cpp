#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/database.hpp"
#include "support/eventually.hpp"
#include "support/folder.hpp"

using namespace pgtide;
using namespace pgtide::test;
namespace fs = std::filesystem;

namespace {

// Where a machine's first process does not reap, an orphan that has ended stays as a zombie.
bool runs(int pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return false;
  return line.at(line.rfind(')') + 2) != 'Z';
}

// How many running programs carry this text on their command line.
int programs_with(const std::string& text) {
  int found = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::string line(65'536, '\0');
    file.read(line.data(), static_cast<std::streamsize>(line.size()));  // of none that has ended
    line.resize(static_cast<std::size_t>(file.gcount()));
    const int pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && pid != getpid() && line.find(text) != std::string::npos && runs(pid)) ++found;
  }
  return found;
}

// A directory that every user may write to, removed at the end.
struct Shelf {
  Shelf() {
    REQUIRE(mkdtemp(path.data()) != nullptr);
    REQUIRE(chmod(path.c_str(), 0777) == 0);
  }
  ~Shelf() { fs::remove_all(path); }
  bool empty() const { return fs::is_empty(path); }
  std::string path = busy_directory() + "/pgtide-shelf-XXXXXX";
};

// A program of its own that makes a cluster on the shelf, and then waits to be killed.
pid_t fork_owner(const Shelf& shelf, PrivatePostgresOptions options) {
  const pid_t owner = fork();
  if (owner != 0) return owner;
  for (const int caught : {SIGINT, SIGTERM}) signal(caught, SIG_DFL);  // doctest's are inherited
  options.parent_directory = shelf.path;
  const auto made = PrivatePostgres::create(options);
  if (!made) _exit(1);
  std::ofstream(shelf.path + "/ready") << made->directory();
  for (;;) pause();
}

void end(pid_t owner, int signal) {
  REQUIRE(::kill(owner, signal) == 0);
  int status = 0;
  REQUIRE(waitpid(owner, &status, 0) == owner);
  CHECK(WTERMSIG(status) == signal);
}

}  // namespace

TEST_CASE("private postgres: it answers on a socket in its directory, and nowhere else") {
  PrivatePostgres server = make_cluster();
  Session session(server.url());
  CHECK(session.value("show listen_addresses") == "");
  CHECK(session.value("show unix_socket_directories") == server.directory());
  CHECK(session.value("select inet_server_addr()") == std::nullopt);
  struct stat status {};
  REQUIRE(stat(server.directory().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("private postgres: server and directory are gone when its owner lets go of it") {
  std::optional<PrivatePostgres> server = make_cluster();
  const std::string directory = server->directory();
  const int pid = server->pid();
  CHECK(runs(pid));
  server.reset();
  CHECK(!runs(pid));
  CHECK(!fs::exists(directory));
}

TEST_CASE("private postgres: server and directory are gone after its owner was killed") {
  struct Case {
    int signal;
    const char* why;
  };
  const Case cases[] = {{SIGKILL, "nothing of the owner's own can run"},
                        {SIGINT, "Ctrl-C, and no destructor runs"},
                        {SIGTERM, "as a service is stopped"}};
  for (const Case& one : cases) {
    CAPTURE(one.why);
    Shelf shelf;
    const pid_t owner = fork_owner(shelf, quick_cluster());
    eventually([&] { return fs::exists(shelf.path + "/ready"); }, 60s);
    CHECK(programs_with(shelf.path) >= 2);  // the server and the watchdog
    end(owner, one.signal);
    fs::remove(shelf.path + "/ready");
    eventually([&] { return shelf.empty() && programs_with(shelf.path) == 0; }, 20s);
  }
}

TEST_CASE("private postgres: an owner killed while the cluster is being made leaves nothing") {
  for (const char* stage : {"initdb.log", "data/PG_VERSION", "data/base/1", "server.log"}) {
    CAPTURE(stage);
    Shelf shelf;
    const pid_t owner = fork_owner(shelf, {});
    const auto reached = [&] {
      for (const auto& entry : fs::directory_iterator(shelf.path))
        if (fs::exists(entry.path() / stage)) return true;
      return false;
    };
    eventually(reached, 60s);
    end(owner, SIGKILL);
    fs::remove(shelf.path + "/ready");
    eventually([&] { return shelf.empty() && programs_with(shelf.path) == 0; }, 20s);
  }
}

TEST_CASE("private postgres: what was committed is there after a restart and after a crash") {
  PrivatePostgres server = make_cluster();
  const std::string url = server.url();
  Session(url).run("create table kept as select 1 as one");
  REQUIRE(server.restart().ok());
  CHECK(Session(url).value("select one from kept") == "1");
  REQUIRE(server.kill().ok());
  CHECK(server.pid() == 0);
  REQUIRE(server.start().ok());
  CHECK(Session(url).value("select one from kept") == "1");
  CHECK(server.url() == url);
}

TEST_CASE("private postgres: start brings a server back that somebody else has killed") {
  PrivatePostgres server = make_cluster();
  REQUIRE(::kill(server.pid(), SIGQUIT) == 0);
  eventually([&, pid = server.pid()] { return !runs(pid); });
  REQUIRE(server.start().ok());
  CHECK(Session(server.url()).value("select 1") == "1");
}

TEST_CASE("private postgres: settings are the caller's, and fsync is off unless it is asked for") {
  PrivatePostgresOptions options = quick_cluster();
  options.settings = {"max_prepared_transactions=7"};
  const auto quick = PrivatePostgres::create(options);
  REQUIRE(quick.ok());
  CHECK(Session(quick->url()).value("show max_prepared_transactions") == "7");
  CHECK(Session(quick->url()).value("show fsync") == "off");
  options.fsync = true;
  const auto safe = PrivatePostgres::create(options);
  REQUIRE(safe.ok());
  CHECK(Session(safe->url()).value("show fsync") == "on");
}

TEST_CASE("private postgres: data that are kept begin the next cluster, which goes its own way") {
  const Shelf kept;
  PrivatePostgresOptions options;
  options.keep_pgdata_in = kept.path;
  const auto identifier = [](const PrivatePostgres& server) {
    return Session(server.url()).value("select system_identifier from pg_control_system()");
  };
  const auto first = PrivatePostgres::create(options);
  REQUIRE(first.ok());
  Session(first->url()).run("create table mark()");
  CHECK(std::distance(fs::directory_iterator(kept.path), {}) == 1);

  const auto second = PrivatePostgres::create(options);
  REQUIRE(second.ok());
  CHECK(identifier(*second) == identifier(*first));
  CHECK(Session(second->url()).value("select to_regclass('mark')") == std::nullopt);
  CHECK(std::distance(fs::directory_iterator(kept.path), {}) == 1);

  options.keep_pgdata_in = kept.path + "/nowhere";
  const auto third = PrivatePostgres::create(options);
  REQUIRE(third.ok());
  CHECK(identifier(*third) != identifier(*first));
}

TEST_CASE("private postgres: what it cannot do it says, and leaves nothing behind") {
  Shelf shelf;
  PrivatePostgresOptions options;
  options.parent_directory = shelf.path;

  options.binaries = "/nonexistent";
  auto made = PrivatePostgres::create(options);
  REQUIRE(!made.ok());
  CHECK(made.error().kind == ErrorKind::not_found);
  CHECK(made.error().message.find("apt-get install postgresql") != std::string::npos);

  options.binaries = "";
  options.settings = {"no_such_setting=1"};
  made = PrivatePostgres::create(options);
  REQUIRE(!made.ok());
  CHECK(made.error().kind == ErrorKind::internal);
  CHECK(made.error().message.find("no_such_setting") != std::string::npos);
  CHECK(shelf.empty());

  options.parent_directory = shelf.path + std::string(60, 'x');
  made = PrivatePostgres::create(options);
  REQUIRE(!made.ok());
  CHECK(made.error().kind == ErrorKind::invalid);
}

TEST_CASE("database: each test case has its own, and a role that may log in") {
  Role role("createdb");
  Database one;
  Database two("owner " + role.name());
  one.run("create table only_here ()");
  CHECK(two.value("select to_regclass('only_here')") == std::nullopt);
  CHECK(two.session(role.name()).value("select current_user") == role.name());
  CHECK(two.session(role.name()).attempt("create schema own").ok());
  CHECK(one.session(role.name()).attempt("create schema own").sqlstate == "42501");
}
