// A bridge inside a program of your own: it serves your database's changes to WebSocket clients,
// sends an event of the program's own every second, and says who is connected.
//
//   pgtide install && pgtide watch posts            # once, see README.md
//   DATABASE_URL=postgresql://... example_embed rules.yaml
//
// In your CMakeLists.txt, with pgtide's sources beside your own (a git submodule will do):
//
//   set(PGTIDE_TESTS OFF)
//   set(PGTIDE_BENCH OFF)
//   add_subdirectory(pgtide)
//   add_executable(my_program my_program.cpp)
//   target_link_libraries(my_program PRIVATE pgtide::pgtide)
#include <pgtide/bridge.hpp>

#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

int report(const char* what, const pgtide::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.to_string().c_str());
  return 1;
}

pgtide::Config make_config(const char* rules) {
  pgtide::Config config;
  const char* url = std::getenv("DATABASE_URL");
  if (url != nullptr) config.database.url = url;
  config.server.port = 0;  // a free one
  config.rules = rules;
  config.rules_named = true;
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: DATABASE_URL=... %s rules.yaml\n", argv[0]);
    return 2;
  }
  // Before the bridge starts its threads, so that they inherit it: a signal then waits for us
  // below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  pgtide::Bridge bridge(make_config(argv[1]));
  if (auto started = bridge.start(); !started) return report("cannot start", started.error());
  std::printf("ws://%s/realtime/subscribe\n", bridge.address().c_str());
  std::fflush(stdout);

  const timespec second{1, 0};
  for (int beat = 1; sigtimedwait(&ends, nullptr, &second) < 0; ++beat) {
    const std::string json = "{\"beat\":" + std::to_string(beat) + "}";
    // Returns when it is committed; the database may be away for a while.
    if (auto sent = bridge.realtime().broadcast("heartbeats", json); !sent) {
      report("not sent", sent.error());
    }
    for (const pgtide::ConnectionInfo& client : bridge.realtime().get_connections()) {
      std::printf("%s from %s holds %zu patterns\n", client.id.c_str(),
                  client.remote_address.c_str(), client.patterns.size());
    }
    std::fflush(stdout);
  }
  bridge.stop();  // sends what is queued, tells every client to come back (1001)
  return 0;
}
