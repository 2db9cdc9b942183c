#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/rules_file.hpp"

namespace pgtide {

struct YamlEntry;

// A YAML text as a tree of plain values, each with its place, so that yaml-cpp is known to one file
// only. There are no anchors, aliases and tags in it and no key twice: those are faults.
struct YamlNode {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  SourcePlace place{};
  bool quoted = false;             // a scalar in quotes or of several lines: never a number
  std::string text{};              // of a scalar
  std::vector<YamlNode> items{};   // of a list
  std::vector<YamlEntry> entries;  // of a map, in the order of the file
};

struct YamlEntry {
  std::string key{};
  SourcePlace place{};  // of the key
  YamlNode value{};
};

// Where the value stands, or its key where there is none.
inline SourcePlace place_of(const YamlEntry& entry) {
  return entry.value.kind == YamlNode::Kind::null ? entry.place : entry.value.place;
}

// A node without items and entries. (YamlEntry is incomplete where YamlNode is declared, so its
// list cannot have an initializer, and a designated one would be warned about.)
YamlNode make_node(YamlNode::Kind kind, SourcePlace place, std::string text = {});

// At most so many bytes are read: generous for a person's file, and bounded for anything else.
constexpr std::size_t yaml_bytes_max = 1'048'576;

// A text as far as it could be read. Duplicate keys, anchors, aliases and tags are faults beside
// which the rest of the tree still holds; after a syntax error `complete` is false.
struct YamlText {
  YamlNode root{};
  std::vector<FileFault> faults{};
  bool complete = true;
};

// Parses one document; an empty text is null. Total over any bytes.
YamlText parse_yaml(std::string_view text);

// What a reader of the tree found joins what was found of the text itself: in the order of the
// file, one fault for each place, a hundred at most.
std::vector<FileFault> join_faults(std::vector<FileFault> text, std::vector<FileFault> content);

}  // namespace pgtide
