#include "config/user_text.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "config/yaml_json.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

using Kind = YamlNode::Kind;

const std::vector<std::string> user_keys{"id", "roles", "claims"};

class UserReader {
 public:
  explicit UserReader(std::vector<FileFault>& faults) : faults_(faults) {}

  Principal read(const YamlNode& node) {
    if (node.kind != Kind::map) {
      fault(node.place, "a user is a map such as {id: \"17\", roles: [editor], claims: {team: 3}}, "
                        "or null");
      return {};
    }
    for (const YamlEntry& entry : node.entries) read_part(entry);
    const auto is_id = [](const YamlEntry& entry) { return entry.key == "id"; };
    if (std::none_of(node.entries.begin(), node.entries.end(), is_id)) {
      fault(node.place, "a user needs an id; an anonymous one is null");
    }
    return std::move(user_);
  }

 private:
  void read_part(const YamlEntry& entry) {
    if (entry.key == "id") {
      read_id(entry);
    } else if (entry.key == "roles") {
      read_roles(entry);
    } else if (entry.key == "claims") {
      const bool map = entry.value.kind == Kind::map;
      if (!map) fault(place_of(entry), "claims must be a map, such as {team: 3}");
      user_.claims = map ? to_json(entry.value, faults_) : "{}";
    } else {
      fault(entry.place, "unknown key " + quoted(entry.key) + did_you_mean(entry.key, user_keys));
    }
  }

  void read_id(const YamlEntry& entry) {
    std::string json = to_json(entry.value, faults_);
    const bool text = entry.value.kind == Kind::scalar && json.front() == '"';
    const bool whole = json.find_first_not_of("-0123456789") == std::string::npos;
    user_.id = text ? entry.value.text : std::move(json);
    if (user_.id.empty() || (!text && !whole)) {
      fault(place_of(entry), "id must be a text that is not empty, or a whole number");
    }
  }

  void read_roles(const YamlEntry& entry) {
    if (entry.value.kind != Kind::list) {
      fault(place_of(entry), "roles must be a list, such as [editor]");
      return;
    }
    for (const YamlNode& role : entry.value.items) {
      const bool text = role.kind == Kind::scalar && to_json(role, faults_).front() == '"';
      if (!text) fault(role.place, "a role is a text; write quotes around it");
      user_.roles.push_back(role.text);
    }
  }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place.line, place.column, std::move(message)});
  }

  std::vector<FileFault>& faults_;
  Principal user_{};
};

}  // namespace

std::optional<Principal> read_user(const YamlNode& node, std::vector<FileFault>& faults) {
  if (node.kind == Kind::null) return std::nullopt;
  return UserReader(faults).read(node);
}

std::variant<std::optional<Principal>, std::vector<FileFault>> parse_user(std::string_view text) {
  YamlText yaml = parse_yaml(text);
  std::vector<FileFault> found;
  std::optional<Principal> user;
  if (yaml.complete) user = read_user(yaml.root, found);
  std::vector<FileFault> faults = join_faults(std::move(yaml.faults), std::move(found));
  if (!faults.empty()) return faults;
  return user;
}

}  // namespace pgtide
