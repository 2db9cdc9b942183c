#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <sstream>

#include "support/client_frame.hpp"
#include "support/serving.hpp"

// What operators and their machines do to the program, and what it says and does then.
using namespace pgtide::test;

namespace {

// With a database that nobody serves: what is wrong with a configuration does not depend on it.
const std::string no_database = "DATABASE_URL=host=/nonexistent";

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  return lines;
}

// `pgtide run` as bash starts it with this redirection; returns when it listens.
class Redirected {
 public:
  Redirected(const Stage& stage, const std::string& redirection,
             const std::vector<std::string>& arguments = {}) {
    const std::string port_file = stage.folder.path("redirected.port");
    std::filesystem::remove(port_file);
    std::vector<std::string> words{"-c", "exec \"$0\" \"$@\" " + redirection, PGTIDE_PROGRAM, "run",
                                   "--server.listen", "127.0.0.1:0", "--server.port-file",
                                   port_file};
    words.insert(words.end(), arguments.begin(), arguments.end());
    program_ = std::make_unique<Program>(
        "/bin/bash", words,
        ProgramOptions{.environment = {"DATABASE_URL=" + stage.database.url()},
                       .folder = stage.folder.path("")});
    eventually([&] { return std::filesystem::exists(port_file) || !program_->running(); },
               patience);
    REQUIRE(program_->running());
    address_ = first_line(port_file);
    eventually([&] { return http(address_, "GET /readyz").status == 200; }, patience);
  }
  Program& program() { return *program_; }
  const std::string& address() const { return address_; }

 private:
  std::unique_ptr<Program> program_;
  std::string address_;
};

// Serves a client a change, says something in its log, and ends as it should.
void check_serves(Stage& stage, Redirected& bridge) {
  WireClient client(bridge.address());
  client.next();
  client.send(R"({"type":"subscribe","pattern":"posts.*"})");
  CHECK(holds(client.next(), "subscribed"));
  for (int n = 1; n <= 20; ++n) {
    bridge.program().signal(SIGHUP);
    stage.database.run("insert into posts values (" + std::to_string(n) + ", 'x')");
    const std::string event = client.next();
    CHECK(event.starts_with(R"({"type":"record_event")"));
    CHECK(holds(event, "\"record_id\":\"" + std::to_string(n) + "\""));
  }
  bridge.program().signal(SIGTERM);
  CHECK(client.closed() == 1001);
  CHECK(bridge.program().wait().code == 0);
}

// Has it come so far that it takes signals itself? Then its threads leave them to the first one.
bool takes_signals(const Program& program) {
  const std::filesystem::path here = "/proc/" + std::to_string(program.pid());
  // Until it is the program it is a copy of this one, which blocks signals while it is made.
  if (std::filesystem::read_symlink(here / "exe") !=
      std::filesystem::canonical(PGTIDE_PROGRAM)) return false;
  for (const auto& task : std::filesystem::directory_iterator(here / "task")) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      const bool blocked = line.starts_with("SigBlk:") &&
                           (std::stoull(line.substr(7), nullptr, 16) >> (SIGTERM - 1) & 1U) != 0;
      if (blocked) return true;
    }
  }
  return false;
}

// A process and its children.
std::vector<pid_t> family_of(pid_t parent) {
  std::vector<pid_t> family{parent};
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream status(entry.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("PPid:") && std::stoi(line.substr(5)) == parent) {
        family.push_back(std::stoi(pid));
      }
    }
  }
  return family;
}

// A port that takes connections and never says a word.
class SilentListener {
 public:
  SilentListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(socket_, 16) == 0);
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    port_ = ntohs(at.sin_port);
  }
  ~SilentListener() { ::close(socket_); }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;
  std::string url() const { return "host=127.0.0.1 user=nobody port=" + std::to_string(port_); }

 private:
  int socket_;
  unsigned port_ = 0;
};

}  // namespace

TEST_CASE("operator: a fault of the configuration is told by run and by check, with its place") {
  struct Case {
    std::string why;
    const char* yaml;
    std::vector<std::string> lines;
  };
  const std::vector<Case> cases = {
      {"no YAML", "server: [\n", {"config.yaml:2:1: "}},
      {"misspelled", "limits:\n  conections: 5\n",
       {"config.yaml:2:3: unknown key 'limits.conections'; did you mean limits.connections?"}},
      {"misspelled section", "limit:\n  connections: 5\n",
       {"config.yaml:1:1: unknown key 'limit'"}},
      {"wrong type", "limits:\n  connections: many\n",
       {"config.yaml:2:16: limits.connections must be"}},
      {"a list where one value goes", "log: {level: [info]}\n", {"config.yaml:1:14: log.level "}},
      {"no unit", "heartbeat:\n  interval: 30\n",
       {"config.yaml:2:13: heartbeat.interval is not a duration: '30' has no unit"}},
      {"an unknown unit", "heartbeat: {interval: 2 fortnights}\n",
       {"config.yaml:1:23: heartbeat.interval is not a duration"}},
      {"out of range", "limits: {requests_per_second: -1}\n",
       {"config.yaml:1:31: limits.requests_per_second must be"}},
      {"of a later version", "server:\n  tls: {}\n", {"config.yaml:2:3: server.tls: not in this"}},
      {"contradictory", "limits:\n  event_bytes: 1048576\n  backlog_bytes: 65536\n",
       {"config.yaml:3:18: limits.backlog_bytes must be at least limits.event_bytes"}},
      {"two secrets", "auth:\n  jwt: {secret: s, secret_file: f}\n",
       {"config.yaml:2:17: auth.jwt.secret"}},
      {"no such key file", "auth:\n  jwt:\n    secret_file: none.txt\n",
       {"config.yaml:3:18: auth.jwt.secret_file: "}},
      {"a proxy by name", "server:\n  trusted_proxies: [nginx.example]\n",
       {"config.yaml:2:21: server.trusted_proxies must be an address"}},
      {"a listener by name", "server: {listen: example.com:80}\n",
       {"config.yaml:1:18: server.listen: example.com is not an address"}},
      {"an operators' listener by name", "server: {admin_listen: example.com:80}\n",
       {"config.yaml:1:24: server.admin_listen: example.com is not an address"}},
      {"a port file that cannot be", "server:\n  port_file: none/port\n",
       {"config.yaml:2:14: server.port_file: none/port: its folder is missing"}},
      {"all at once", "limits: {conections: 5, event_bytes: big}\nlog: {level: loud}\n",
       {"config.yaml:1:10: ", "config.yaml:1:38: ", "config.yaml:2:14: "}},
  };
  for (const Case& each : cases) {
    CAPTURE(each.why);
    Folder folder;
    folder.write("config.yaml", each.yaml);
    const ProgramOptions options{.environment = {no_database}, .folder = folder.path("")};
    const ProgramEnd run = run_program({"run"}, options), check = run_program({"check"}, options);
    CHECK(run.code == 2);
    CHECK(check.code == 2);
    CHECK(run.output == "");
    const auto found = lines_of(check.errors);
    for (const std::string& line : lines_of(run.errors)) {
      CAPTURE(line);
      CHECK(found.contains(line));
    }
    CHECK(lines_of(run.errors).size() == each.lines.size());
    for (const std::string& line : each.lines) CHECK_MESSAGE(holds(run.errors, "pgtide: " + line),
                                                             line, " is not in: ", run.errors);
  }
}

TEST_CASE("operator: file, environment, flags and rules are checked at once") {
  Stage stage;
  stage.folder.write("config.yaml", "limits: {conections: 5}\nserver: {listen: nowhere:1}\n");
  stage.folder.write("rules.yaml",
                     "version: 1\ncollections:\n  posts:\n"
                     "    subscribe: pubic\n    hide: [body]\n");
  const ProgramEnd end =
      run_program({"check", "--log.level", "loud"},
                  {.environment = {"DATABASE_URL=" + stage.database.url(),
                                   "PGTIDE_HEARTBEAT_INTERVAL=30"},
                   .folder = stage.folder.path("")});
  CHECK(end.code == 2);
  for (const char* part :
       {"config.yaml:1:10: unknown key 'limits.conections'",
        "config.yaml:2:18: server.listen: nowhere is not an address",
        "PGTIDE_HEARTBEAT_INTERVAL: ", "--log.level: must be", "rules.yaml:4:16: ",
        "rules.yaml:5:12: posts: table public.posts has no column body"}) {
    CAPTURE(part);
    CHECK_MESSAGE(holds(end.errors, part), end.errors);
  }
}

TEST_CASE("operator: a configuration that cannot be read says why") {
  Folder folder;
  folder.write("config.yaml", "");
  std::string unreadable = folder.path("config.yaml"), why = "Permission denied";
  if (::geteuid() == 0) {  // who may read everything
    unreadable = folder.path("");
    why = "cannot be read";
  } else {
    REQUIRE(::chmod(unreadable.c_str(), 0) == 0);
  }
  for (const char* command : {"run", "check"}) {
    const ProgramEnd end = run_program({command, "--config", unreadable});
    CHECK(end.code == 2);
    CHECK_MESSAGE(holds(end.errors, unreadable + ": "), end.errors);
    CHECK(holds(end.errors, why));
  }
}

TEST_CASE("operator: secrets that everybody may read are warned of, by what they are") {
  struct Case {
    std::string why;
    std::string yaml;
    mode_t mode;
    const char* warning;  // empty: none
  };
  Stage stage;
  const std::string url = "database: {url: \"" + stage.database.url();
  const std::string secret = "auth: {jwt: {secret: \"a secret of thirty-two bytes or more\"}}\n";
  const std::vector<Case> cases = {
      {"a secret for all", secret, 0644, "may read auth.jwt.secret in it; run: chmod o-r "},
      {"a secret for its owner", secret, 0600, ""},
      {"a password", url + " password=hush\"}\n", 0644, "may read the password of database.url in"},
      {"no secret", url + "\"}\n", 0644, ""},
      {"both", secret + url + " password=hush\"}\n", 0644,
       "may read auth.jwt.secret and the password of database.url in it"}};
  for (const Case& each : cases) {
    CAPTURE(each.why);
    const std::string config = stage.folder.write("config.yaml", each.yaml);
    REQUIRE(::chmod(config.c_str(), each.mode) == 0);
    Serving serving(stage, "port");
    const std::string log = serving.program->errors();
    CHECK(holds(log, " warning ") == (*each.warning != '\0'));
    CHECK(holds(log, each.warning));
    CHECK(!holds(log, "hush"));
    CHECK(!holds(log, "thirty-two"));
  }
}

TEST_CASE("operator: a second bridge on the same configuration ends, and the first one serves") {
  Stage stage;
  Serving first(stage, "port");
  stage.folder.write("config.yaml", "server: {listen: \"" + first.address() + "\"}\n");
  const ProgramEnd second = run_program(
      {"run"}, {.environment = {"DATABASE_URL=" + stage.database.url()},
                .folder = stage.folder.path("")});
  CHECK(second.code == 1);
  CHECK(holds(second.errors, "the port is taken: stop the program that has it, or choose another"));
  CHECK(http(first.address(), "GET /readyz").status == 200);
}

TEST_CASE("operator: SIGTERM ends it with 0 as soon as it takes signals at all") {
  Stage stage;
  for (int turn = 0; turn < 10; ++turn) {
    Program program(PGTIDE_PROGRAM, {"run", "--server.listen", "127.0.0.1:0"},
                    {.environment = {"DATABASE_URL=" + stage.database.url()},
                     .folder = stage.folder.path("")});
    eventually([&] { return takes_signals(program); });
    program.signal(SIGTERM);
    CHECK(program.wait().code == 0);
  }
}

TEST_CASE("operator: SIGTERM waits neither for handshakes nor for HTTP that is half there") {
  Stage stage;
  Serving serving(stage, "port");
  std::vector<WireSocket> guests;
  for (const char* begun : {"", "GET /realtime/subsc", "GET /healthz HTTP/1.1\r\nHost: a\r\n",
                            "POST /realtime/broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"}) {
    guests.emplace_back(serving.address());
    guests.back().write(begun);
  }
  WireClient client(serving.address());  // came after them: they are known
  client.next();
  serving.program->signal(SIGTERM);
  CHECK(client.closed() == 1001);
  CHECK(serving.program->wait(std::chrono::seconds(12)).code == 0);
}

TEST_CASE("operator: SIGTERM in the middle of a large transaction cuts no frame") {
  Stage stage;
  Serving serving(stage, "port");
  WireClient client(serving.address());
  client.next();
  client.send(R"({"type":"subscribe","pattern":"posts.*"})");
  client.next();
  stage.database.run("insert into posts select n, repeat('x', 1000) "
                     "from generate_series(1, 60000) n");
  std::uint64_t heard = 0;
  const auto take = [&](const std::string& event) {
    REQUIRE(holds(event, "\"record_id\":\"" + std::to_string(++heard) + "\""));
  };
  take(client.next());
  serving.program->signal(SIGTERM);
  eventually([&] { return holds(serving.program->errors(), "draining"); });
  serving.program->signal(SIGHUP);  // which ends nothing
  std::optional<WireFrame> frame;
  while ((frame = client.next_frame()) && frame->opcode == 1) take(frame->payload);
  REQUIRE(frame.has_value());
  CHECK(frame->opcode == 8);
  CHECK(frame->payload.substr(0, 2) == code_bytes(1001));
  client.cut();
  CHECK(serving.program->wait(std::chrono::seconds(12)).code == 0);
}

TEST_CASE("operator: SIGTERM ends it with 0 while the database is away, or is silent") {
  SilentListener silent;
  for (const std::string& url : {std::string("host=/nonexistent"), silent.url()}) {
    CAPTURE(url);
    Folder folder;
    const std::string port_file = folder.path("port");
    Program program(PGTIDE_PROGRAM,
                    {"run", "--server.listen", "127.0.0.1:0", "--server.port-file", port_file},
                    {.environment = {"DATABASE_URL=" + url}, .folder = folder.path("")});
    eventually([&] { return std::filesystem::exists(port_file); });
    const HttpReply ready = http(first_line(port_file), "GET /readyz");
    CHECK(ready.status == 503);
    CHECK(holds(ready.body, "\"database\":false"));
    program.signal(SIGTERM);
    CHECK(program.wait(std::chrono::seconds(12)).code == 0);
  }
}

TEST_CASE("operator: SIGTERM ends it with 0 while the database is frozen in the midst of it") {
  pgtide::PrivatePostgres server = make_cluster({});
  Stage stage(server);
  Serving serving(stage, "port");
  WireClient client(serving.address());
  client.next();
  const auto signal_all = [&](int number) {
    for (const pid_t pid : family_of(server.pid())) ::kill(pid, number);
  };
  signal_all(SIGSTOP);
  // Somebody waits for it, and the leader soon does.
  WireSocket broadcaster(serving.address());
  broadcaster.write("POST /realtime/broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                    "application/json\r\nContent-Length: 32\r\n\r\n"
                    R"({"collection":"news","data":{ }})");
  serving.program->signal(SIGTERM);
  CHECK(client.closed() == 1001);
  const ProgramEnd end = serving.program->wait(std::chrono::seconds(13));
  signal_all(SIGCONT);
  CHECK(end.code == 0);
}

TEST_CASE("operator: SIGTERM ends it with 0 while a broadcast waits for a lock") {
  Stage stage;
  stage.folder.write("rules.yaml", "version: 1\nall: public\n");
  Serving serving(stage, "port");
  Session holder(stage.database.url());
  holder.run("begin; lock table pgtide.log0, pgtide.log1, pgtide.log2 in access exclusive mode");
  WireSocket broadcaster(serving.address());
  broadcaster.write("POST /realtime/broadcast_all HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                    "application/json\r\nContent-Length: 11\r\n\r\n" R"({"data":{}})");
  Session observer(stage.database.url());
  eventually([&] {
    return observer.value("select exists (select from pg_locks where not granted and relation in "
                          "('pgtide.log0'::regclass, 'pgtide.log1'::regclass, "
                          "'pgtide.log2'::regclass))") == "t";
  });
  serving.program->signal(SIGTERM);
  CHECK(serving.program->wait(std::chrono::seconds(13)).code == 0);
}

TEST_CASE("operator: many SIGHUPs in a row are as good as one") {
  Stage stage;
  Serving serving(stage, "port");
  for (int i = 0; i < 200; ++i) serving.program->signal(SIGHUP);
  eventually([&] { return holds(serving.program->errors(), "rules loaded anew"); });
  CHECK(http(serving.address(), "GET /readyz").status == 200);
  serving.program->signal(SIGTERM);
  CHECK(serving.program->wait().code == 0);
}

TEST_CASE("operator: a log file is turned over by copying and truncating it") {
  Stage stage;
  const std::string log = stage.folder.path("log");
  Redirected bridge(stage, "2>>" + log);
  std::filesystem::copy_file(log, log + ".1");
  std::filesystem::resize_file(log, 0);
  bridge.program().signal(SIGHUP);
  eventually([&] { return holds(file_text(log), "rules loaded anew"); });
  CHECK(file_text(log).find('\0') == std::string::npos);
  CHECK(holds(file_text(log + ".1"), "listening on"));
}

TEST_CASE("operator: a log that cannot be written stops nothing") {
  for (const std::string redirection :
       {"2>/dev/full", "2> >(exec true)", "2>&-", ">&- 2>&- <&-"}) {
    CAPTURE(redirection);
    Stage stage;
    Redirected bridge(stage, redirection, {"--log-level", "debug"});
    const std::string streams = "/proc/" + std::to_string(bridge.program().pid()) + "/fd/";
    if (holds(redirection, "&-")) {  // else a socket would have its number, and get the log
      CHECK(std::filesystem::read_symlink(streams + "2") == "/dev/null");
    }
    check_serves(stage, bridge);
  }
}

TEST_CASE("operator: a log whose reader rests stops nothing, and says later what is missing") {
  Stage stage;
  const std::string path = stage.folder.path("pipe");
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int pipe = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(pipe >= 0);
  const std::string nothing(4'096, '.');
  while (::write(pipe, nothing.data(), nothing.size()) > 0) {
  }
  Redirected bridge(stage, "2>" + path, {"--log-level", "debug", "--log.format", "json"});
  WireClient client(bridge.address());
  client.next();
  client.send(R"({"type":"subscribe","pattern":"posts.*"})");
  client.next();
  stage.database.run("insert into posts select n, 'x' from generate_series(1, 500) n");
  for (int n = 1; n <= 500; ++n) CHECK(holds(client.next(), "record_event"));
  std::string log;
  eventually([&] {
    bridge.program().signal(SIGHUP);
    char bytes[65'536];
    const ssize_t got = ::read(pipe, bytes, sizeof bytes);
    if (got > 0) log.append(bytes, static_cast<std::size_t>(got));
    return holds(log, " lines are missing here: nobody read them\"}\n{\"time\":");
  }, patience, [&] { return log.substr(log.rfind("....") + 1); });
  bridge.program().signal(SIGTERM);
  CHECK(client.closed() == 1001);
  CHECK(bridge.program().wait().code == 0);
  ::close(pipe);
}

TEST_CASE("operator: it needs no home, and no rights of root") {
  Folder folder;
  REQUIRE(::chmod(folder.path("").c_str(), 0777) == 0);
  const std::string port_file = folder.path("port");
  std::vector<std::string> words{PGTIDE_PROGRAM, "run", "--server.listen", "127.0.0.1:0",
                                 "--server.port-file", port_file};
  if (::geteuid() == 0) {
    words.insert(words.begin(), {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                                 "--clear-groups", "--no-new-privs"});
  }
  const std::string first = words.front();
  words.erase(words.begin());
  Program program(first, words,
                  {.environment = {no_database, "HOME=/nonexistent"}, .folder = folder.path("")});
  eventually([&] { return std::filesystem::exists(port_file) || !program.running(); });
  REQUIRE_MESSAGE(program.running(), program.errors());
  CHECK(http(first_line(port_file), "GET /healthz").status == 200);
  program.signal(SIGTERM);
  CHECK(program.wait().code == 0);
}
