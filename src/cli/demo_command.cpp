#include <spdlog/spdlog.h>

#include <cstdio>

#include "bridge/core.hpp"
#include "capture/schema.hpp"
#include "cli/commands.hpp"
#include "cli/demo.hpp"
#include "cli/demo_page.hpp"
#include "cli/demo_viewers.hpp"
#include "cli/serve.hpp"
#include "cli/terminal.hpp"
#include "cluster/private_postgres.hpp"
#include "config/rules_file.hpp"

// Two demos. Without a database: a private PostgreSQL, sample tables and traffic, all of it gone
// afterwards. With one (DATABASE_URL or the configuration): what is watched there, as it is;
// nothing is created, written or installed, and it is shown on loopback only.
namespace pgtide {
namespace {

// Everything that is watched, for anyone who reaches the loopback address.
std::shared_ptr<const Rules> rules_for(const std::vector<DemoCollection>& collections) {
  auto rules = std::make_shared<Rules>();
  rules->file = "the demo's rules";
  rules->all.kind = Audience::Kind::anyone;
  for (const DemoCollection& collection : collections) {
    CollectionRule rule;
    rule.name = collection.name;
    rule.table = collection.table;
    rule.subscribe.kind = Audience::Kind::anyone;
    rules->collections.emplace(collection.name, std::move(rule));
  }
  return rules;
}

int serve_page(Config config, DemoScene scene, std::shared_ptr<const Rules> rules,
               const Signals& signals) {
  scene.endpoint = config.server.path;
  BridgeCore bridge(std::move(config), make_postgres_source);
  bridge.use_rules(std::move(rules));
  bridge.show_page(demo_page(scene));
  if (auto started = start(bridge); !started) return report_start_fault(started.error());
  std::printf("\n  Open %s   (Ctrl-C ends it)\n\n",
              coloured(Colour::bold, "http://" + bridge.address() + "/").c_str());
  std::fflush(stdout);
  serve(bridge, signals);
  return exit_fine;
}

int show_own_database(Config config, const Signals& signals) {
  auto collections = watched_collections(config.database.url);
  if (!collections) return report_failure(collections.error());
  config.server.host = "127.0.0.1";
  auto rules = rules_for(*collections);
  DemoScene scene;
  scene.collections = std::move(*collections);
  return serve_page(std::move(config), std::move(scene), std::move(rules), signals);
}

Result<void> watch_samples(const std::string& url) {
  if (auto installed = install(url, {}); !installed) return installed;
  for (const DemoCollection& collection : DemoWorld::collections()) {
    WatchOptions options;
    options.table = collection.name;
    if (auto watched = watch(url, options); !watched) return watched.error();
  }
  return {};
}

// The rules that the program carries.
std::shared_ptr<const Rules> sample_rules() {
  auto parsed = parse_rules(demo_rules_files().front().text, "demo_rules.yaml");
  PGTIDE_ASSERT(std::holds_alternative<Rules>(parsed));
  return std::make_shared<Rules>(std::move(std::get<Rules>(parsed)));
}

int show_samples(Config config, const Signals& signals) {
  std::printf("starting a private PostgreSQL ...\n");
  std::fflush(stdout);
  const auto postgres = PrivatePostgres::create();
  if (!postgres) return report_failure(postgres.error());
  config.database.url = postgres->url();
  auto viewers = make_viewers(config.auth);
  if (!viewers) return report_failure(viewers.error());
  if (auto made = DemoWorld::create_tables(postgres->url()); !made) {
    return report_failure(made.error());
  }
  if (auto watched = watch_samples(postgres->url()); !watched) {
    return report_failure(watched.error());
  }
  DemoWorld world(postgres->url());
  world.start();
  DemoScene scene;
  scene.collections = DemoWorld::collections();
  scene.sample = true;
  scene.viewers = std::move(*viewers);
  scene.psql = "psql '" + postgres->url() + "'";
  return serve_page(std::move(config), std::move(scene), sample_rules(), signals);
}

}  // namespace

int demo_command(const SettingSources& sources) {
  const Signals signals({SIGINT, SIGTERM, SIGHUP});
  std::vector<std::string> warnings;
  auto config = load_settings(sources, &warnings);
  if (!config) return report_settings_fault(config.error());
  set_up_logging(config->log);
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  return config->database.url.empty() ? show_samples(std::move(*config), signals)
                                      : show_own_database(std::move(*config), signals);
}

}  // namespace pgtide
