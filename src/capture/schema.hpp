#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtide/result.hpp"

// The pgtide schema of a database: put in, taken out, and the tables that are watched (CAPTURE,
// "The writer is never harmed"). The work is done by sql/; here it is called, and its refusals
// become Errors that name the missing GRANT or the command that mends it.
//
// Each function makes a connection of its own to `url` (empty: DATABASE_URL, else PG* variables),
// blocks until it is done, and may be called from any thread. Errors: denied (a right is missing),
// conflict (a newer schema, a name that is taken), not_found (no such table or schema), invalid (a
// table that cannot be watched, a bad name), unavailable (no connection, or a table stayed locked).
namespace pgtide {

// The version of the schema that this program installs and reads (sql/01_schema.sql).
inline constexpr int schema_version = 3;

// Is given each warning of the server, with its hint.
using WarningSink = std::function<void(std::string_view)>;

struct InstallOptions {
  bool force = false;  // puts up with a publication FOR ALL TABLES
  // Takes the way of PostgreSQL 13 and 14, where a sequence cannot be unlogged.
  bool force_logged_sequences = false;
  WarningSink warn{};
  // The role that a schema pgtide belongs to, or is to belong to. Empty: ours. A schema of another
  // owner, or one that lacks pgtide.meta, is refused unless its owner is named here: whoever uses
  // the schema runs the code of its owner.
  std::string owner{};
};

// Runs every file of sql/ in one transaction. Over an older schema it upgrades and over its own
// it changes nothing; over a newer one it refuses.
Result<void> install(const std::string& url, const InstallOptions& options = {});

// Unwatches each table in a transaction of its own, then drops the schema and, where no other
// database uses it, the capture role.
Result<void> uninstall(const std::string& url, const WarningSink& warn = {});

struct WatchOptions {
  std::string table{};             // as SQL would name it: posts, billing.invoice, "Odd Name"
  std::string collection{};        // empty: the table's name
  std::vector<std::string> key{};  // empty: the primary key
  bool ignore_rls = false;
  bool old_rows = true;
  WarningSink warn{};
};

// What was found under the name that was given: a stranger's schema may come first in the path.
struct Watched {
  std::string collection;
  std::string table;  // billing.invoice, quoted where SQL needs it
  std::string owner;
};

// Watching a table again mends its triggers and takes over the options.
Result<Watched> watch(const std::string& url, const WatchOptions& options);

// `table` may also be the name of a collection whose table is gone.
Result<void> unwatch(const std::string& url, const std::string& table);

// Takes what was skipped of a collection (empty: of all) out of what status and /readyz tell; how
// many changes that were. not_found: no collection is called so.
Result<std::int64_t> acknowledge(const std::string& url, const std::string& collection);

}  // namespace pgtide
