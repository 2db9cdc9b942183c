#pragma once
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "config/yaml_tree.hpp"
#include "model/principal.hpp"

// A user as a person writes one down to try rules with, in JSON or YAML:
// {"id":17,"roles":["editor"],"claims":{"team":3}}. An `id` that is a whole number is its text, as
// in a token; `roles` and `claims` may be left out.
namespace pgtide {

// Null stands for an anonymous connection. Appends every fault; what it returns then is of no use.
std::optional<Principal> read_user(const YamlNode& node, std::vector<FileFault>& faults);

// The same of a text of its own.
std::variant<std::optional<Principal>, std::vector<FileFault>> parse_user(std::string_view text);

}  // namespace pgtide
