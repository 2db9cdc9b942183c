#include "cli/cli.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/config_file.hpp"

// Each subcommand declares its options into an Invocation and leaves there what is to be called
// once everything has parsed. Flags of the configuration come from its own table of keys, so that
// file, environment, flag and --help cannot differ.
namespace pgtide {
namespace {

constexpr std::size_t help_columns = 100;

struct Invocation {
  SettingSources sources{};
  InstallCommand install{};
  WatchCommand watch{};
  TailCommand tail{};
  BroadcastCommand broadcast{};
  ExplainCommand explain{};
  std::string cases_file{};
  TokenCommand token{};
  std::vector<std::string> broadcast_words{};
  bool everyone = false;
  bool json = false;
  std::string table{};
  std::string collection{};
  ConnectionsCommand connections{};
  KickCommand kick{};
  TopCommand top{};
  std::string top_interval = "2s";
  std::function<int()> run{};
};

// "a,b" as its columns; one with a comma or a quote in it stands in "...", a quote there twice.
std::vector<std::string> split_columns(const std::string& text) {
  std::vector<std::string> columns(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool doubled = quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"';
    if (doubled) {
      columns.back() += text[++i];
    } else if (c == '"' && (quoted || columns.back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      columns.emplace_back();
    } else {
      columns.back() += c;
    }
  }
  return columns;
}

// Breaks long descriptions into lines of 100 columns; CLI11 indents what follows a line's end.
class HelpFormatter : public CLI::Formatter {
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::size_t width = help_columns - column_width_;
    std::string text = option->get_description();
    for (std::size_t line = 0; text.size() - line > width;) {
      const std::size_t space = text.rfind(' ', line + width);
      if (space == std::string::npos || space <= line) break;
      text[space] = '\n';
      line = space + 1;
    }
    return text;
  }
};

void add_config_option(CLI::App& app, Invocation& invocation) {
  app.add_option("-c,--config", invocation.sources.config_file,
                 "configuration file [PGTIDE_CONFIG; ./config.yaml where there is one]")
      ->type_name("FILE");
}

std::string group_of(const std::string& path) {
  const std::size_t dot = path.find('.');
  return "Settings" + (dot == std::string::npos ? "" : ": " + path.substr(0, dot));
}

void add_setting(CLI::App& app, Invocation& invocation, const ConfigKey& key) {
  if (key.flag.empty()) return;
  const auto keep = [&invocation, path = key.path](const std::string& value) {
    invocation.sources.flags[path] = value;
  };
  std::string flags = key.flag;
  if (key.path == "database.url") flags += ",--database";
  if (key.path == "log.level") flags += ",--log-level";
  app.add_option_function<std::string>(flags, keep, key.sentence)
      ->type_name("[" + (key.fallback.empty() ? "\"\"" : key.fallback) + "]")
      ->group(group_of(key.path));
}

void add_all_settings(CLI::App& app, Invocation& invocation) {
  for (const ConfigKey& key : config_keys()) add_setting(app, invocation, key);
}

void add_database(CLI::App& app, Invocation& invocation) {
  add_config_option(app, invocation);
  for (const ConfigKey& key : config_keys()) {
    if (key.path == "database.url") add_setting(app, invocation, key);
  }
}

void add_database_and_rules(CLI::App& app, Invocation& invocation) {
  add_database(app, invocation);
  for (const ConfigKey& key : config_keys()) {
    if (key.path == "rules") add_setting(app, invocation, key);
  }
}

struct CommandText {
  const char* name;
  const char* what;
};

CLI::App* add_command(CLI::App& app, CommandText text, Invocation& invocation,
                      std::function<int()> run) {
  CLI::App* command = app.add_subcommand(text.name, text.what);
  command->callback([&invocation, run = std::move(run)] { invocation.run = run; });
  return command;
}

void add_serving_commands(CLI::App& app, Invocation& in) {
  CLI::App* run = add_command(app, {"run", "The bridge: serves WebSocket subscribers"}, in,
                              [&in] { return run_command(in.sources); });
  run->footer(
      "Every setting is a key of config.yaml and an environment variable as well:\n"
      "limits.event_bytes is --limits.event-bytes and PGTIDE_LIMITS_EVENT_BYTES.");
  add_config_option(*run, in);
  add_all_settings(*run, in);
  CLI::App* demo = add_command(
      app, {"demo", "A private PostgreSQL, sample tables with traffic, the bridge and a page"}, in,
      [&in] { return demo_command(in.sources); });
  demo->footer(
      "Without a database of yours it has rules and tokens of its own, whatever is configured.\n"
      "With DATABASE_URL set it shows the tables already watched there, and changes "
      "nothing.");
  add_config_option(*demo, in);
  add_all_settings(*demo, in);
}

void add_schema_commands(CLI::App& app, Invocation& in) {
  CLI::App* install = add_command(app, {"install", "Put the pgtide schema into the database"}, in,
                                  [&in] { return install_command(in.sources, in.install); });
  add_database(*install, in);
  install->add_flag("--force", in.install.force,
                    "also where a publication FOR ALL TABLES would carry the log away, or where "
                    "somebody else has made the role that capture is to run as");
  install->add_flag("--logged-sequences", in.install.logged_sequences,
                    "take the way of PostgreSQL 13 and 14 on a later one");
  install
      ->add_option("--owner", in.install.owner,
                   "the role that the schema belongs to, which you trust; default: your own")
      ->type_name("ROLE");
  CLI::App* uninstall =
      add_command(app, {"uninstall", "Take the schema and all triggers out, without a trace"}, in,
                  [&in] { return uninstall_command(in.sources); });
  add_database(*uninstall, in);

  CLI::App* watch = add_command(app, {"watch", "Install the triggers on a table"}, in,
                                [&in] { return watch_command(in.sources, in.watch); });
  add_database(*watch, in);
  watch->add_option("TABLE", in.watch.table, "the table, with its schema where needed")->required();
  watch->add_option("--as", in.watch.collection,
                    "its public name; default: the one that it has, else the table's own")
      ->type_name("COLLECTION");
  watch->add_option_function<std::string>(
           "--key", [&in](const std::string& text) { in.watch.key = split_columns(text); },
           "columns that name a row, as a,b; default: the primary key")
      ->type_name("COLUMNS");
  watch->add_flag("--ignore-rls", in.watch.ignore_rls,
                  "also a table with row-level security, which is not consulted");
  watch->add_flag("--without-old-rows", in.watch.without_old_rows,
                  "cheaper for writers; updates then carry no 'changed'");
  CLI::App* unwatch = add_command(app, {"unwatch", "Remove the triggers from a table"}, in,
                                  [&in] { return unwatch_command(in.sources, in.table); });
  add_database(*unwatch, in);
  unwatch->add_option("TABLE", in.table, "the table")->required();
  CLI::App* acknowledge =
      add_command(app, {"acknowledge", "Have status tell no more of changes that were skipped"}, in,
                  [&in] { return acknowledge_command(in.sources, in.collection); });
  add_database(*acknowledge, in);
  acknowledge->add_option("COLLECTION", in.collection, "whose; default: those of all");
}

void add_token_command(CLI::App& app, Invocation& in) {
  CLI::App* token =
      add_command(app, {"token", "Make a token for development, signed with auth.jwt.secret"}, in,
                  [&in] { return token_command(in.sources, in.token); });
  add_config_option(*token, in);
  token->add_option("--user", in.token.user, "who: user.id")->required()->type_name("ID");
  token->add_option("--role", in.token.roles, "a role; may be given again")
      ->type_name("ROLE")
      ->allow_extra_args(false);
  token->add_option("--expires", in.token.expires, "how long it is valid [1h]")
      ->type_name("DURATION");
  token->add_option("--claim", in.token.claims, "one more claim, name=JSON; may be given again")
      ->type_name("CLAIM")
      ->allow_extra_args(false);
  for (const ConfigKey& key : config_keys()) {
    if (key.path.starts_with("auth.jwt.")) add_setting(*token, in, key);
  }
}

void add_looking_commands(CLI::App& app, Invocation& in) {
  CLI::App* status = add_command(
      app, {"status", "What is watched, the log's size, lag; exits 1 when something is wrong"}, in,
      [&in] { return status_command(in.sources, in.json); });
  add_database(*status, in);
  status->add_flag("--json", in.json, "for scripts");
  CLI::App* check =
      add_command(app, {"check", "Are configuration and rules valid, against the database too?"},
                  in, [&in] { return check_command(in.sources, in.json); });
  add_config_option(*check, in);
  check->add_flag("--json", in.json, "for scripts");
  add_all_settings(*check, in);
}

void add_doctor(CLI::App& app, Invocation& in) {
  CLI::App* doctor = add_command(
      app, {"doctor", "Look at database, tables, log, clock and limits: what is well, what to do"},
      in, [&in] { return doctor_command(in.sources, in.json); });
  add_config_option(*doctor, in);
  doctor->add_flag("--json", in.json, "for scripts");
  add_all_settings(*doctor, in);
}

void add_rules_commands(CLI::App& app, Invocation& in) {
  CLI::App* rules = app.add_subcommand("rules", "Try the rules: explain, test");
  rules->require_subcommand(1);
  CLI::App* explain =
      add_command(*rules, {"explain", "What a user gets of a pattern, and which rules say so"}, in,
                  [&in] { return explain_command(in.sources, in.explain); });
  add_database_and_rules(*explain, in);
  explain->add_option("PATTERN", in.explain.pattern, "'posts.*', 'posts.17', '*'")->required();
  explain
      ->add_option("--user", in.explain.user,
                   "{\"id\":17,\"roles\":[\"editor\"],\"claims\":{\"team\":3}}; default: anonymous")
      ->type_name("JSON");
  explain->add_flag("--json", in.explain.json, "for scripts");
  CLI::App* test = add_command(
      *rules, {"test", "Try the cases of a file; exits 1 when one is not as expected"}, in,
      [&in] { return rules_test_command(in.sources, in.cases_file, in.json); });
  add_database_and_rules(*test, in);
  test->add_option("FILE", in.cases_file, "cases in YAML: user, change, what is expected")
      ->required();
  test->add_flag("--json", in.json, "for scripts");
}

int run_broadcast(Invocation& in) {
  const std::size_t expected = in.everyone ? 1 : 2;
  if (in.broadcast_words.size() != expected || in.broadcast_words.front().empty()) {
    return report_settings_fault(
        {ErrorKind::invalid, "write: pgtide broadcast COLLECTION JSON, or --all JSON"});
  }
  in.broadcast.json = in.broadcast_words.back();
  if (!in.everyone) in.broadcast.collection = in.broadcast_words.front();
  return broadcast_command(in.sources, in.broadcast);
}

void add_event_commands(CLI::App& app, Invocation& in) {
  CLI::App* tail = add_command(app, {"tail", "Print events as they come"}, in,
                               [&in] { return tail_command(in.sources, in.tail); });
  add_config_option(*tail, in);
  tail->add_option("PATTERN", in.tail.patterns, "'posts.*', 'posts.17', '*'")->required();
  tail->add_option("--url", in.tail.url, "ws://host:port/path of the bridge")->type_name("URL");
  tail->add_option("--token", in.tail.token, "a JWT: who asks [PGTIDE_TOKEN]")
      ->envname("PGTIDE_TOKEN")
      ->type_name("TOKEN");
  tail->add_flag("--json", in.tail.json, "whole frames, a line each");

  CLI::App* broadcast = add_command(app, {"broadcast", "Send a custom event"}, in,
                                    [&in] { return run_broadcast(in); });
  add_database(*broadcast, in);
  broadcast->add_option("COLLECTION JSON", in.broadcast_words, "to whom, and the event's data")
      ->required()
      ->expected(1, 2);
  broadcast->add_flag("--all", in.everyone, "to every connection, subscribed or not");
}

void add_bridge(CLI::App& app, BridgeAccess& bridge) {
  app.add_option("--url", bridge.url, "http://host:port of the bridge, where operators reach it")
      ->type_name("URL");
  app.add_option("--token", bridge.token, "a JWT of an administrator [PGTIDE_TOKEN]")
      ->envname("PGTIDE_TOKEN")
      ->type_name("TOKEN");
}

int run_top(Invocation& in) {
  const auto interval = parse_duration(in.top_interval);
  if (!interval || *interval < std::chrono::milliseconds(100)) {
    return report_settings_fault(
        {ErrorKind::invalid, "--interval: write 100ms at the least, such as 2s"});
  }
  in.top.interval = *interval;
  return top_command(in.sources, in.top);
}

void add_administration_commands(CLI::App& app, Invocation& in) {
  CLI::App* connections =
      add_command(app, {"connections", "Who is connected to the bridge, and to what"}, in,
                  [&in] { return connections_command(in.sources, in.connections); });
  add_config_option(*connections, in);
  connections->add_option("--user", in.connections.user, "those of this user only")
      ->type_name("ID");
  connections->add_flag("--json", in.connections.json, "an object per line");
  add_bridge(*connections, in.connections.bridge);
  CLI::App* top = add_command(app, {"top", "Watch the bridge: rates, lag, slowest clients"}, in,
                              [&in] { return run_top(in); });
  add_config_option(*top, in);
  top->add_option("--interval", in.top_interval, "between two looks [2s]")->type_name("DURATION");
  top->add_flag("--once", in.top.once, "one screen after one interval, for scripts");
  add_bridge(*top, in.top.bridge);
  CLI::App* kick = add_command(app, {"kick", "Close a connection, or all of a user (4403)"}, in,
                               [&in] { return kick_command(in.sources, in.kick); });
  add_config_option(*kick, in);
  kick->add_option("ID", in.kick.id, "the connection's id, as `connections` prints it");
  kick->add_option("--user", in.kick.user, "every connection of this user")->type_name("ID");
  add_bridge(*kick, in.kick.bridge);
}

}  // namespace

int run_cli(int argc, char** argv) {
  CLI::App app{"pgtide pushes PostgreSQL row changes to WebSocket subscribers."};
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", "pgtide " PGTIDE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "pgtide COMMAND --help says more. Exit codes: 0 fine, 1 a failure at run time,\n"
      "2 wrong usage or configuration.");
  Invocation invocation;
  add_serving_commands(app, invocation);
  add_schema_commands(app, invocation);
  add_looking_commands(app, invocation);
  add_doctor(app, invocation);
  add_rules_commands(app, invocation);
  add_event_commands(app, invocation);
  add_token_command(app, invocation);
  add_administration_commands(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_fine : exit_usage;
  }
  return invocation.run();
}

}  // namespace pgtide
