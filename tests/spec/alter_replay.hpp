#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "spec/alter_cell.hpp"
#include "support/database.hpp"
#include "support/text.hpp"

// What a client holds that reads a table once and then follows its events.
namespace pgtide::test {

using Rows = std::map<std::string, nlohmann::json>;  // by record id

struct Replayed {
  Rows rows{};
  bool told = false;    // since the last time that it was read
  bool closed = false;  // the subscription has ended
  bool leaked = false;  // a row, or a value, that guests may not see
};

class Replay {
 public:
  explicit Replay(bool guest) : guest_(guest) {}

  bool guest() const { return guest_; }
  Replayed& of(const std::string& collection) { return all_[collection]; }

  void take(const std::vector<std::string>& frames, const std::set<std::string>& ruled) {
    for (const std::string& text : frames) {
      const auto frame = nlohmann::json::parse(text);
      const std::string type = frame.at("type");
      if (type == "record_event") {
        take_event(frame, all_[frame.at("collection")]);
        if (guest_ && ruled.contains(frame.at("collection")) &&
            (holds(text, "SECRET") || holds(text, "HIDDEN")))
          all_[frame.at("collection")].leaked = true;
      } else if (type == "resync_required" && !frame.contains("pattern")) {
        for (auto& [name, one] : all_) one.told = true;
      } else if (frame.contains("pattern")) {
        const std::string pattern = frame.at("pattern");
        Replayed& one = all_[pattern.substr(0, pattern.find('.'))];
        if (type == "resync_required") one.told = true;
        if (type == "error") one.closed = true;
      }
    }
  }

  // What a client would read now.
  Rows truth(Session& session, const Trial& trial, const std::string& table) const {
    // By the numbers of the key's columns: they may be called otherwise by now.
    const bool pair = trial.kind == TableKind::pair;
    std::string key;
    std::string unseen;
    for (const Row& row : session.run(
             "select a.attnum::text, quote_ident(a.attname), a.attgenerated::text, a.attname "
             "from pg_attribute a where a.attrelid = '" +
             table +
             "'::regclass and a.attnum > 0 "
             "and not a.attisdropped order by a.attnum")) {
      if (row[0] == "1" || (pair && row[0] == "2"))
        key += (key.empty() ? "" : ", ',', ") + ("t." + row[1]);
      if (row[2] == "v") unseen = row[3];
    }
    if (key.empty()) key = "t";
    Rows rows;
    for (const Row& row :
         session.run("select concat(" + key + "), to_json(t)::text from " + table + " t")) {
      auto record = nlohmann::json::parse(row[1]);
      record.erase(unseen);
      if (is_ruled(trial.kind)) {
        if (guest_ && record.value("v", nlohmann::json()) == "secret") continue;
        narrow(record);
      }
      rows[row[0]] = record;
    }
    return rows;
  }

 private:
  // Columns that came, or got their names, after the rules were loaded are not shown by `hide`.
  void narrow(nlohmann::json& record) const {
    static const std::set<std::string> known = {"id", "k", "v", "h", "w", "x"};
    for (auto member = record.begin(); member != record.end();) {
      const bool seen = known.contains(member.key()) && !(guest_ && member.key() == "h");
      member = seen ? std::next(member) : record.erase(member);
    }
  }
  static void take_event(const nlohmann::json& frame, Replayed& one) {
    const std::string action = frame.at("action");
    if (action == "truncate") {
      one.rows.clear();
    } else if (action == "delete") {
      one.rows.erase(frame.at("record_id"));
    } else {
      one.rows[frame.at("record_id")] = frame.at("record");
    }
  }

  bool guest_;
  std::map<std::string, Replayed> all_;
};

// How two states differ, in few words.
inline std::string difference(const Rows& has, const Rows& wanted) {
  std::string text;
  for (const auto& [id, row] : wanted) {
    const auto found = has.find(id);
    if (found == has.end()) {
      text += " lacks " + id + ";";
    } else if (found->second != row) {
      text += " " + id + " is " + found->second.dump() + ", not " + row.dump() + ";";
    }
  }
  for (const auto& [id, row] : has)
    if (!wanted.contains(id)) text += " has " + id + ";";
  return text.substr(0, 600);
}

}  // namespace pgtide::test
