#include <cstdio>

#include "capture/inspection.hpp"
#include "capture/schema.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

void warn(std::string_view text) { std::fprintf(stderr, "%s\n", clean_lines(text).c_str()); }

// What each of these commands does: settings, the work, and its fault or a word that it is done.
template <class Work>
int with_settings(const SettingSources& sources, Work work) {
  const auto config = load_settings(sources);
  if (!config) return report_settings_fault(config.error());
  const Result<std::string> done = work(config->database.url);
  if (!done) return report_failure(done.error());
  std::printf("%s\n", one_line(*done).c_str());
  return exit_fine;
}

}  // namespace

int install_command(const SettingSources& sources, const InstallCommand& command) {
  return with_settings(sources, [&command](const std::string& url) -> Result<std::string> {
    const auto done =
        install(url, {command.force, command.logged_sequences, warn, command.owner});
    if (!done) return done.error();
    const auto owner = read_owner(url);
    if (!owner) return owner.error();
    return "installed: schema pgtide belongs to role " + *owner + "; next: pgtide watch TABLE";
  });
}

int uninstall_command(const SettingSources& sources) {
  return with_settings(sources, [](const std::string& url) -> Result<std::string> {
    const auto done = uninstall(url, warn);
    if (!done) return done.error();
    return std::string("uninstalled: the schema pgtide and all its triggers are gone");
  });
}

int watch_command(const SettingSources& sources, const WatchCommand& command) {
  return with_settings(sources, [&command](const std::string& url) -> Result<std::string> {
    WatchOptions options;
    options.table = command.table;
    options.collection = command.collection.value_or("");
    options.key = command.key;
    options.ignore_rls = command.ignore_rls;
    options.old_rows = !command.without_old_rows;
    options.warn = warn;
    const auto done = watch(url, options);
    if (!done) return done.error();
    return "watched: table " + done->table + " of role " + done->owner + " is collection " +
           done->collection +
           "; list it in the rules file, for what is not listed is refused";
  });
}

int unwatch_command(const SettingSources& sources, const std::string& table) {
  return with_settings(sources, [&table](const std::string& url) -> Result<std::string> {
    const auto done = unwatch(url, table);
    if (!done) return done.error();
    return "no longer watched: " + table;
  });
}

int acknowledge_command(const SettingSources& sources, const std::string& collection) {
  return with_settings(sources, [&collection](const std::string& url) -> Result<std::string> {
    const auto done = acknowledge(url, collection);
    if (!done) return done.error();
    return "acknowledged: " + std::to_string(*done) + (*done == 1 ? " change" : " changes") +
           " that could not be sent";
  });
}

}  // namespace pgtide
