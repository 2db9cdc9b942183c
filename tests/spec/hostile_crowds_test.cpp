#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/client_frame.hpp"
#include "support/crowd.hpp"
#include "support/serving.hpp"

// Very many clients of one kind at once, against the program itself: the others are served
// meanwhile, and when they are gone nothing is left of them. PGTIDE_TEST_CROWD says how many.
using namespace pgtide::test;

namespace {

// Sockets to the program, each of which has sent the same.
class Crowd {
 public:
  Crowd(const std::string& address, std::size_t size, const std::string& first_words) {
    for (std::size_t n = 0; n < size; ++n) {
      sockets_.push_back(connect_to(address));
      say(sockets_.back(), first_words);
    }
  }
  ~Crowd() { leave(); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  void say_all(const std::string& words) {
    for (const int socket : sockets_) say(socket, words);
  }
  // Reads from each until it has heard `part`; how many did.
  std::size_t hear(const std::string& part) {
    std::size_t heard = 0;
    for (const int socket : sockets_) heard += hears(socket, part) ? 1 : 0;
    return heard;
  }
  // How many the program has let go of, waiting for each.
  std::size_t let_go() {
    std::size_t ended = 0;
    for (const int socket : sockets_) {
      const timeval patience{30, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      char bytes[4'096];
      ssize_t read = 1;
      while (read > 0) read = ::recv(socket, bytes, sizeof bytes, 0);
      ended += read == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) ? 1 : 0;
    }
    return ended;
  }
  // With a reset, as when a machine dies.
  void leave() {
    for (const int socket : sockets_) {
      const linger at_once{1, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(socket);
    }
    sockets_.clear();
  }

 private:
  static void say(int socket, const std::string& words) {
    if (words.empty()) return;
    REQUIRE(::send(socket, words.data(), words.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(words.size()));
  }
  static bool hears(int socket, const std::string& part) {
    std::string heard;
    char bytes[4'096];
    while (!holds(heard, part)) {
      pollfd ready{socket, POLLIN, 0};
      if (::poll(&ready, 1, 30'000) != 1) return false;
      const ssize_t read = ::recv(socket, bytes, sizeof bytes, 0);
      if (read <= 0) return false;
      heard.append(bytes, static_cast<std::size_t>(read));
    }
    return true;
  }

  std::vector<int> sockets_{};
};

// The program with room for a crowd.
struct Hall {
  explicit Hall(std::vector<std::string> arguments = {}, const char* per_second = "0") {
    arguments.insert(arguments.end(), {"--limits.connections", "30000",
                                       "--limits.connections-per-address", "30000",
                                       "--limits.connections-per-second", per_second,
                                       "--limits.connections-per-second-per-address", "0"});
    serving.emplace(stage, "port", arguments);
  }
  double metric(const std::string& name) const { return metric_of(serving->address(), name); }
  // Somebody else is served as ever.
  void check_service(int id) {
    WireClient client(serving->address());
    client.next();
    client.send(R"({"type":"subscribe","pattern":"posts.*"})");
    CHECK(holds(client.next(), "subscribed"));
    stage.database.run("insert into posts values (" + std::to_string(id) + ", 't')");
    CHECK(holds(client.next(), "\"record_id\":\"" + std::to_string(id) + "\""));
  }

  Stage stage;
  std::optional<Serving> serving;
};

}  // namespace

TEST_CASE("crowds: handshakes that never end are given up, and others are served meanwhile") {
  const std::size_t size = crowd_size(10'000);
  Hall hall({"--limits.handshake-timeout", "3s"});
  const double before = hall.metric("process_open_fds");
  Crowd silent(hall.serving->address(), size / 2, "");
  Crowd slow(hall.serving->address(), size / 2, crowd_handshake.substr(0, 40));
  hall.check_service(1);
  CHECK(silent.let_go() == size / 2);
  CHECK(slow.let_go() == size / 2);
  CHECK(hall.metric("pgtide_requests_expired_total") == static_cast<double>(size / 2 * 2));
  hall.check_service(2);
  eventually([&] { return hall.metric("process_open_fds") <= before + 2; });
  CHECK(hall.metric("pgtide_connections") == 0);
}

TEST_CASE("crowds: those who come and go at once leave nothing behind") {
  const std::size_t size = crowd_size(10'000);
  Hall hall;
  hall.check_service(1);
  const double fds = hall.metric("process_open_fds");
  for (int turn = 0; turn < 3; ++turn) {
    Crowd crowd(hall.serving->address(), size, crowd_handshake);
    if (turn == 1) CHECK(crowd.hear("\"connected\"") == size);
    crowd.leave();
  }
  hall.check_service(2);
  eventually([&] { return hall.metric("pgtide_connections") == 0; });
  eventually([&] { return hall.metric("process_open_fds") <= fds + 2; });
  CHECK(hall.metric("pgtide_subscriptions") == 0);
}

TEST_CASE("crowds: all who subscribe to all get what comes") {
  const std::size_t size = crowd_size(10'000);
  Hall hall({}, "1000");  // as shipped
  hall.stage.folder.write("rules.yaml",
                           "version: 1\nall: public\ncollections:\n  posts:\n"
                           "    subscribe: public\n");
  hall.serving->program->signal(SIGHUP);
  eventually([&] { return holds(hall.serving->program->errors(), "rules"); });
  Crowd crowd(hall.serving->address(), size, crowd_handshake);
  CHECK(crowd.hear("\"connected\"") == size);
  crowd.say_all(masked(0x81, R"({"type":"subscribe","pattern":"*"})"));
  CHECK(crowd.hear("\"subscribed\"") == size);
  hall.stage.database.run("insert into posts values (7, 't')");
  CHECK(crowd.hear(R"("record_id":"7")") == size);
  hall.check_service(8);
}
