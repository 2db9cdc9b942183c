#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pgtide {

// A place in a rules file, for the messages about it. Lines and columns count from 1.
struct SourcePlace {
  int line = 0;
  int column = 0;
};

// What the rules file says of one collection (PROTOCOL 4).
struct CollectionRule {
  std::string name{};
  std::string table{};               // "schema.table"; default: "public.<name>"
  bool table_given = false;          // `table:` stands in the file
  bool subscribe_public = false;     // without `subscribe:` nobody may
  bool deleted_record_full = false;  // a delete carries the whole old row
  bool old = false;                  // an update carries the old row
  std::vector<std::string> hide{};   // columns nobody sees
  SourcePlace place{};
  std::vector<SourcePlace> hide_places{};  // one per entry of `hide`
};

// The rules file, parsed and complete in itself, not yet held against a database (see Policy).
// A default-made Rules denies everything, as a missing file does.
struct Rules {
  std::string file{};       // for messages
  bool all_public = false;  // who may subscribe to "*": anyone, or nobody
  std::map<std::string, CollectionRule, std::less<>> collections{};
};

}  // namespace pgtide
