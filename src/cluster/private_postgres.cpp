// How a cluster vanishes with its owner.
//
// No destructor and no signal handler runs on SIGKILL, so somebody else has to clean up: the
// watchdog, a shell in a session of its own that reads from a socket whose other end only this
// program holds. Each program we start sends its own pid there before it begins, so there is no
// moment in which a server runs that the watchdog does not know of, and we send 0 when it has
// ended. When the socket closes, for whatever reason, the watchdog stops the last one it has heard
// of, removes the directory and ends. The destructor uses that same way: it stops the server,
// closes the socket and waits for the watchdog. Rejected: PR_SET_PDEATHSIG, which follows the
// thread and not the program, and would not remove the directory.

#include "cluster/private_postgres.hpp"

#include <libpq-fe.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cluster/child_program.hpp"

namespace pgtide {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds start_time_max{60};  // initdb's cluster answers in 0.1 s; recovery takes longer
constexpr seconds stop_time_max{20};
constexpr milliseconds poll_interval{5};
constexpr size_t log_tail_bytes = 4096;
constexpr size_t directory_bytes_max = 70;  // leaves room for our name and the socket's in 107

// $1 is the directory. QUIT is PostgreSQL's immediate shutdown, which takes its sessions along.
constexpr const char* watchdog_script = R"(
trap '' INT TERM HUP QUIT PIPE
pid=0
while read -r line; do pid=$line; done
if [ "$pid" != 0 ]; then
  kill -s QUIT -- "-$pid"
  turns=0
  while kill -s 0 -- "-$pid" && [ -e "$1/data/postmaster.pid" ] && [ $turns -lt 200 ]; do
    sleep 0.05
    turns=$((turns + 1))
  done
  kill -s KILL -- "-$pid"
fi
turns=0
while ! rm -rf "$1" && [ $turns -lt 100 ]; do
  sleep 0.05
  turns=$((turns + 1))
done
)";

Error failed(ErrorKind kind, std::string message, std::string context) {
  return Error{kind, std::move(message), std::move(context)};
}

Result<ChildUser> find_user() {
  if (geteuid() != 0) return ChildUser{};
  for (const char* name : {"postgres", "nobody"})
    if (const passwd* entry = getpwnam(name)) return ChildUser{entry->pw_uid, entry->pw_gid, true};
  return failed(ErrorKind::not_found,
                "PostgreSQL refuses to run as root, and there is no user postgres or nobody",
                "private PostgreSQL");
}

bool has_server(const fs::path& directory) {
  return access((directory / "initdb").c_str(), X_OK) == 0 &&
         access((directory / "postgres").c_str(), X_OK) == 0;
}

// Major versions as numbers, so that 9 comes after 15; what has none counts as 0.
int version_in(const std::string& name) {
  const size_t digit = name.find_first_of("0123456789");
  return digit == std::string::npos ? 0 : std::atoi(name.c_str() + digit);
}

void add_installed(const fs::path& root, std::string_view prefix, std::vector<fs::path>& found) {
  std::vector<fs::path> here;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(root, ignored))
    if (entry.path().filename().string().starts_with(prefix)) here.push_back(entry.path());
  std::sort(here.begin(), here.end(), [](const fs::path& a, const fs::path& b) {
    return version_in(a.filename()) > version_in(b.filename());
  });
  for (const fs::path& path : here) found.push_back(path / "bin");
}

void add_search_path(std::vector<fs::path>& found) {
  const char* variable = std::getenv("PATH");
  std::string rest = variable == nullptr ? "" : variable;
  for (size_t colon = 0; !rest.empty(); rest.erase(0, colon)) {
    colon = std::min(rest.find(':'), rest.size());
    found.emplace_back(rest.substr(0, colon));
    if (colon < rest.size()) ++colon;
  }
}

Result<std::string> find_binaries(const std::string& wanted) {
  std::vector<fs::path> candidates;
  if (!wanted.empty()) {
    candidates.emplace_back(wanted);
  } else {
    candidates.emplace_back(first_line_of("\"${PG_CONFIG:-pg_config}\" --bindir 2>/dev/null"));
    add_installed("/usr/lib/postgresql", "", candidates);
    add_installed("/usr", "pgsql-", candidates);
    add_search_path(candidates);
  }
  for (const fs::path& directory : candidates)
    if (!directory.empty() && has_server(directory)) return directory.string();
  return failed(ErrorKind::not_found,
                "initdb and postgres were not found: install PostgreSQL's server "
                "(on Debian: apt-get install postgresql-15)",
                wanted.empty() ? "private PostgreSQL" : wanted);
}

std::string choose_parent(const PrivatePostgresOptions& options) {
  if (!options.parent_directory.empty()) return options.parent_directory;
  const char* variable = std::getenv("TMPDIR");
  const std::string parent = variable == nullptr ? "" : variable;
  // Root's own TMPDIR is often closed to the user that PostgreSQL runs as.
  const bool usable = !parent.empty() && parent.size() <= directory_bytes_max && geteuid() != 0;
  return usable ? parent : "/tmp";
}

Result<std::string> make_directory(const std::string& parent, const ChildUser& user) {
  std::string path = fs::absolute(parent) / "pgtide-XXXXXX";
  if (path.size() > directory_bytes_max + std::strlen("/pgtide-XXXXXX"))
    return failed(ErrorKind::invalid,
                  "its path is too long for a unix socket: choose a shorter one", parent);
  if (mkdtemp(path.data()) == nullptr ||
      (user.change && chown(path.c_str(), user.uid, user.gid) != 0))
    return failed(ErrorKind::unavailable,
                  std::string("cannot make a directory: ") + std::strerror(errno), parent);
  return path;
}

std::string read_tail(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<size_t>(std::max<std::streamoff>(file.tellg(), 0));
  const size_t wanted = std::min(size, log_tail_bytes);
  file.seekg(static_cast<std::streamoff>(size - wanted));
  std::string tail(wanted, '\0');
  file.read(tail.data(), static_cast<std::streamsize>(wanted));
  return tail;
}

// True when it ended in time; it is reaped then.
bool ended_within(pid_t pid, seconds time_max) {
  const auto deadline = steady_clock::now() + time_max;
  while (waitpid(pid, nullptr, WNOHANG) == 0) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(poll_interval);
  }
  return true;
}

}  // namespace

struct PrivatePostgres::Cluster {
  ~Cluster();
  Result<void> watch_over();
  Result<void> make_pgdata();
  Result<void> init();
  bool copy(const std::string& from, const std::string& to) const;
  Result<void> start();
  Result<void> wait_until_ready();
  void stop(int signal);
  void forget_child();
  std::string url(std::string_view database, std::string_view user) const;
  ChildProgram program(std::vector<std::string> arguments, std::string_view log_name) const;
  std::string log_path() const { return directory + "/server.log"; }
  std::string pgdata_path() const { return directory + "/data"; }

  PrivatePostgresOptions options;
  ChildUser user;
  std::string binaries;
  std::string directory;
  int watchdog_socket = -1;
  pid_t watchdog = 0;
  pid_t server = 0;
};

PrivatePostgres::Cluster::~Cluster() {
  stop(SIGINT);
  if (watchdog_socket >= 0) close(watchdog_socket);
  if (watchdog > 0) wait_for_program(watchdog);
  std::error_code ignored;  // gone already, unless somebody killed the watchdog
  if (!directory.empty()) fs::remove_all(directory, ignored);
}

ChildProgram PrivatePostgres::Cluster::program(std::vector<std::string> arguments,
                                               std::string_view log_name) const {
  ChildProgram made;
  made.arguments = std::move(arguments);
  made.user = user;
  made.working_directory = directory;
  made.output = directory + "/" + std::string(log_name);
  made.announce = watchdog_socket;
  return made;
}

Result<void> PrivatePostgres::Cluster::watch_over() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return failed(ErrorKind::unavailable, std::strerror(errno), "private PostgreSQL");
  watchdog_socket = ends[0];
  ChildProgram shell;
  shell.arguments = {"/bin/sh", "-c", watchdog_script, "pgtide-watchdog", directory};
  shell.user = user;
  shell.input = ends[1];
  const Result<pid_t> started = start_program(shell);
  close(ends[1]);
  if (!started) return started.error();
  watchdog = *started;
  return {};
}

void PrivatePostgres::Cluster::forget_child() {
  // A watchdog that is gone cannot be told; the destructor then cleans up by itself.
  if (send(watchdog_socket, "0\n", 2, MSG_NOSIGNAL) < 0) return;
}

Result<void> PrivatePostgres::Cluster::make_pgdata() {
  if (options.keep_pgdata_in.empty()) return init();
  std::string name = binaries;
  std::replace(name.begin(), name.end(), '/', '-');
  const std::string kept = options.keep_pgdata_in + "/data" + name;
  std::error_code failure;
  if (fs::exists(kept, failure) && copy(kept, pgdata_path())) return {};
  if (const Result<void> made = init(); !made) return made;
  // Whoever is first keeps his; a copy that is not whole never has the name.
  const std::string copied = kept + "." + fs::path(directory).filename().string();
  if (copy(pgdata_path(), copied)) fs::rename(copied, kept, failure);
  fs::remove_all(copied, failure);
  return {};
}

// As ourselves: the kept data may lie where PostgreSQL's user cannot go, and keep their owner.
bool PrivatePostgres::Cluster::copy(const std::string& from, const std::string& to) const {
  ChildProgram cp;
  cp.arguments = {"/bin/cp", "-a", "-T", from, to};
  const Result<pid_t> started = start_program(cp);
  if (started && wait_for_program(*started) == 0) return true;
  std::error_code ignored;
  fs::remove_all(to, ignored);
  return false;
}

Result<void> PrivatePostgres::Cluster::init() {
  const Result<pid_t> started = start_program(
      program({binaries + "/initdb", "-D", pgdata_path(), "-U", "postgres", "-A", "trust",
               "-E", "UTF8", "--locale=C", "--no-sync"},
              "initdb.log"));
  if (!started) return started.error();
  const int status = wait_for_program(*started);
  forget_child();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return failed(ErrorKind::internal, "initdb failed: " + read_tail(directory + "/initdb.log"),
                directory);
}

Result<void> PrivatePostgres::Cluster::start() {
  if (server > 0 && waitpid(server, nullptr, WNOHANG) == 0) return {};
  std::vector<std::string> arguments = {binaries + "/postgres", "-D", pgdata_path()};
  std::vector<std::string> settings = {"listen_addresses=", "port=5432",
                                       "unix_socket_directories=" + directory,
                                       "unix_socket_permissions=0700", "log_timezone=UTC"};
  if (!options.fsync) settings.insert(settings.end(), {"fsync=off", "full_page_writes=off"});
  settings.insert(settings.end(), options.settings.begin(), options.settings.end());
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"-c", setting});

  const Result<pid_t> started = start_program(program(std::move(arguments), "server.log"));
  if (!started) return started.error();
  server = *started;
  return wait_until_ready();
}

Result<void> PrivatePostgres::Cluster::wait_until_ready() {
  const std::string target = url("postgres", "postgres");
  const auto deadline = steady_clock::now() + start_time_max;
  while (PQping(target.c_str()) != PQPING_OK) {
    if (waitpid(server, nullptr, WNOHANG) == server) {
      server = 0;
      forget_child();
      return failed(ErrorKind::internal, "postgres ended: " + read_tail(log_path()), directory);
    }
    if (steady_clock::now() > deadline)
      return failed(ErrorKind::internal, "postgres does not answer: " + read_tail(log_path()),
                    directory);
    std::this_thread::sleep_for(poll_interval);
  }
  return {};
}

void PrivatePostgres::Cluster::stop(int signal) {
  if (server <= 0) return;
  ::kill(server, signal);
  if (!ended_within(server, stop_time_max)) {
    ::kill(server, SIGQUIT);
    if (!ended_within(server, stop_time_max)) {
      ::kill(server, SIGKILL);
      wait_for_program(server);
    }
  }
  server = 0;
  forget_child();
}

std::string PrivatePostgres::Cluster::url(std::string_view database, std::string_view role) const {
  return "host=" + directory + " port=5432 dbname=" + std::string(database) +
         " user=" + std::string(role);
}

Result<PrivatePostgres> PrivatePostgres::create(const PrivatePostgresOptions& options) {
  auto cluster = std::make_unique<Cluster>();
  cluster->options = options;
  const Result<ChildUser> user = find_user();
  if (!user) return user.error();
  cluster->user = *user;
  const Result<std::string> binaries = find_binaries(options.binaries);
  if (!binaries) return binaries.error();
  cluster->binaries = *binaries;
  const Result<std::string> directory = make_directory(choose_parent(options), *user);
  if (!directory) return directory.error();
  cluster->directory = *directory;
  for (const auto step : {&Cluster::watch_over, &Cluster::make_pgdata, &Cluster::start})
    if (const Result<void> done = (*cluster.*step)(); !done) return done.error();
  return PrivatePostgres(std::move(cluster));
}

PrivatePostgres::PrivatePostgres(std::unique_ptr<Cluster> cluster) : cluster_(std::move(cluster)) {}
PrivatePostgres::PrivatePostgres(PrivatePostgres&&) noexcept = default;
PrivatePostgres& PrivatePostgres::operator=(PrivatePostgres&&) noexcept = default;
PrivatePostgres::~PrivatePostgres() = default;

std::string PrivatePostgres::url(std::string_view database, std::string_view user) const {
  return cluster_->url(database, user);
}

Result<void> PrivatePostgres::start() {
  return cluster_->start();
}

Result<void> PrivatePostgres::stop() {
  cluster_->stop(SIGINT);
  return {};
}

Result<void> PrivatePostgres::restart() {
  cluster_->stop(SIGINT);
  return cluster_->start();
}

Result<void> PrivatePostgres::kill() {
  cluster_->stop(SIGQUIT);
  return {};
}

int PrivatePostgres::pid() const {
  return cluster_->server;
}
const std::string& PrivatePostgres::directory() const {
  return cluster_->directory;
}
std::string PrivatePostgres::log_tail() const {
  return read_tail(cluster_->log_path());
}

}  // namespace pgtide
