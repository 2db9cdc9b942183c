#include <doctest/doctest.h>

#include <filesystem>
#include <regex>

#include "support/database.hpp"
#include "support/eventually.hpp"
#include "support/folder.hpp"
#include "support/program.hpp"
#include "support/text.hpp"
#include "support/wire_client.hpp"

// The five minutes of the README as it prints them: its blocks, each in a terminal of its own. Only
// the address of the database is another one, and ports are free ones.
using namespace pgtide;
using namespace pgtide::test;

namespace {

// The commands after the marker, block by block.
std::vector<std::string> quickstart() {
  const std::string text = file_text(PGTIDE_SOURCE_DIR "/README.md");
  const std::size_t start = text.find("<!-- quickstart");
  REQUIRE(start != std::string::npos);
  std::vector<std::string> blocks;
  const std::regex fenced("```sh\n([^`]*)```");
  for (std::sregex_iterator found(text.begin() + static_cast<std::ptrdiff_t>(start), text.end(),
                                  fenced), none;
       found != none; ++found) {
    blocks.push_back((*found)[1]);
  }
  return blocks;
}

// The program is called pgtide, as it will be for a reader.
std::string search_path() {
  const std::string folder = std::filesystem::path(PGTIDE_PROGRAM).parent_path();
  return "export PATH=" + folder + ":/usr/local/bin:/usr/bin:/bin\n";
}

}  // namespace

TEST_CASE("readme: its commands lead from an empty database to the first event") {
  const auto blocks = quickstart();
  REQUIRE(blocks.size() == 3);
  Database database;
  Folder folder;
  const std::string url_line = "export DATABASE_URL=postgresql://localhost/mydb\n";
  REQUIRE(blocks[0].find(url_line) == 0);
  const std::string port_file = folder.path("port");
  ProgramOptions options{.environment = {"DATABASE_URL=" + database.url(),
                                         "PGTIDE_SERVER_LISTEN=127.0.0.1:0",
                                         "PGTIDE_SERVER_PORT_FILE=" + port_file},
                         .folder = folder.path("")};
  const auto terminal = [&options](const std::string& commands) {
    return std::make_unique<Program>("/bin/bash",
                                     std::vector<std::string>{"-euc", search_path() + commands},
                                     options);
  };
  const auto bridge = terminal(blocks[0].substr(url_line.size()));
  eventually([&] { return std::filesystem::exists(port_file) || !bridge->running(); }, patience,
             [&] { return bridge->errors(); });
  CAPTURE(bridge->errors());
  const std::string address = first_line(port_file);
  REQUIRE(!address.empty());
  eventually([&] { return http(address, "GET /readyz").status == 200; }, patience,
             [&] { return bridge->errors(); });

  options.environment[1] = "PGTIDE_SERVER_LISTEN=" + address;
  const auto tail = terminal("exec " + blocks[1]);
  eventually([&] {
    return http(address, "GET /metrics").body.find("pgtide_subscriptions 1\n") !=
           std::string::npos;
  }, patience);
  CHECK(terminal(blocks[2])->wait().code == 0);
  eventually([&] { return tail->output().find("delete   posts 1") != std::string::npos; }, patience,
             [&] { return tail->output(); });
  CHECK(tail->output().find("create   posts 1 {\"id\":1,\"title\":\"Hello\"}") !=
        std::string::npos);
  CHECK(tail->output().find("update   posts 1 {\"id\":1,\"title\":\"Hello, world\"}") !=
        std::string::npos);
  tail->signal(SIGTERM);
  CHECK(tail->wait().code == 0);
}
