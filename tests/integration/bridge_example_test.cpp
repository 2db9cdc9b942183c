#include <doctest/doctest.h>

#include <regex>

#include "bridge/core.hpp"
#include "support/browser.hpp"
#include "support/own_loopback.hpp"
#include "support/program.hpp"
#include "support/running_bridge.hpp"
#include "support/text.hpp"

// What lies in examples/, as its README says to run it.
using namespace pgtide;
using namespace pgtide::test;

namespace {

// A bridge that shows the example's page; the page is on its own host then, as Origin wants it.
std::unique_ptr<BridgeCore> show_page(const Config& config) {
  auto bridge = std::make_unique<BridgeCore>(config, make_postgres_source);
  bridge->show_page(file_text(PGTIDE_SOURCE_DIR "/examples/browser.html"));
  const auto started = bridge->start();
  if (!started) FAIL(started.error().to_string());
  eventually([&] { return http(bridge->address(), "GET /readyz").status == 200; }, patience);
  return bridge;
}

}  // namespace

TEST_CASE("examples: embed.cpp serves changes and events of its own, and drains") {
  InstalledDatabase database;
  Folder folder;
  database.run("create table posts (id int primary key); select pgtide.watch('posts')");
  const std::string rules =
      folder.write("rules.yaml",
                   "version: 1\ncollections:\n  posts:\n    subscribe: public\n"
                   "  heartbeats:\n    subscribe: public\n");
  Program embed(PGTIDE_EXAMPLE_EMBED, {rules}, {.environment = {"DATABASE_URL=" + database.url()}});
  std::smatch found;
  std::string output;
  const std::regex url("ws://(127\\.0\\.0\\.1:[0-9]+)/realtime/subscribe\n");
  eventually([&] { return std::regex_search(output = embed.output(), found, url); }, patience,
             [&] { return embed.errors(); });
  const std::string address = found[1];
  eventually([&] { return http(address, "GET /readyz").status == 200; }, patience,
             [&] { return embed.errors(); });

  Subscriber posts(address);
  Subscriber beats(address);
  posts.subscribe({"posts.*"});
  beats.subscribe({"heartbeats.*"});
  database.run("insert into posts values (7)");
  CHECK(member(posts.next(), "record_id") == "7");
  CHECK(member(member(beats.next(), "data"), "beat") != "");
  eventually(
      [&] { return embed.output().find(posts.id() + " from 127.0.0.1:") != std::string::npos; });
  embed.signal(SIGTERM);
  CHECK(posts.closed() == 1001);
  CHECK(embed.wait().code == 0);
}

TEST_CASE("examples: embed.cpp says what is wrong with its rules") {
  Folder folder;
  const ProgramEnd end = Program(PGTIDE_EXAMPLE_EMBED, {folder.path("none.yaml")}).wait();
  CHECK(end.code == 1);
  CHECK(end.errors.find("none.yaml") != std::string::npos);
}

TEST_CASE("examples: browser.html shows events, and comes back after the server went away") {
  InstalledDatabase database;
  Folder folder;
  database.run("create table posts (id int primary key); select pgtide.watch('posts')");
  Config config;
  config.database.url = database.url();
  config.server.host = own_loopback();
  config.server.port = 0;
  config.rules =
      folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
  auto bridge = show_page(config);
  const std::string address = bridge->address();
  const auto subscribed = [&] {
    return http(address, "GET /metrics").body.find("pgtide_subscriptions 1\n") != std::string::npos;
  };

  Browser browser;
  browser.open("http://" + address + "/?pattern=posts.*&url=ws://" + address +
               "/realtime/subscribe");
  eventually(subscribed, patience);
  database.run("insert into posts values (7)");
  browser.await("document.body.innerText.includes('\"record_id\":\"7\"')", patience);

  bridge->stop();
  bridge.reset();
  config.server.port = static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
  bridge = show_page(config);
  eventually(subscribed, std::chrono::seconds{30});
  browser.await("document.body.innerText.includes('resync_required')", patience);
  database.run("insert into posts values (8)");
  browser.await("document.body.innerText.includes('\"record_id\":\"8\"')", patience);
  bridge->stop();
}
