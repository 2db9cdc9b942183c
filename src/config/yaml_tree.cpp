#include "config/yaml_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <iterator>
#include <optional>
#include <streambuf>
#include <utility>

#include "model/text_map.hpp"
#include "model/utf8.hpp"
#include "model/wording.hpp"

// The tree is built from yaml-cpp's events and not from its nodes: nodes resolve aliases (a text of
// a few lines can stand for billions of nodes), keep the last of two equal keys, and do not say
// where a key stands.

namespace pgtide {
namespace {

constexpr std::size_t depth_max = 32;
constexpr std::size_t faults_max = 100;

SourcePlace place_of(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

// Of the commonest fault in a rules file: where: !record.hidden, where: 'a' in user.roles.
constexpr const char* quoting_hint =
    "; a value that begins with a quote, a bracket or ! is written between double quotes";

// Ends the reading from inside yaml-cpp; never leaves this file.
struct EnoughFaults {};

class TreeBuilder : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(make_node(YamlNode::Kind::null, place_of(mark)));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fault(place_of(mark), "aliases (*name) are not supported; write the value again");
    add(make_node(YamlNode::Kind::null, place_of(mark)));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    YamlNode node = make_node(YamlNode::Kind::scalar, place_of(mark), value);
    node.quoted = tag == "!";
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(YamlNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { end(); }

  YamlNode take_root() { return std::move(root_); }
  std::vector<FileFault> take_faults() { return std::move(faults_); }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place.line, place.column, std::move(message)});
    if (faults_.size() >= faults_max) throw EnoughFaults{};
  }

 private:
  // A list or map that is not complete yet, with the key that waits for its value.
  struct Open {
    YamlNode node{};
    std::optional<YamlEntry> waiting{};
    TextSet seen{};
  };

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) fault(place_of(mark), "anchors (&name) are not supported; remove it");
  }

  // yaml-cpp says "?" of plain values and "!" of quoted ones.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.size() < 2) return;
    fault(place_of(mark), "tags (" + quoted(tag) + ") are not supported" + quoting_hint);
  }

  void start(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
             YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() >= depth_max) {
      fault(place_of(mark), "nested too deeply");
      throw EnoughFaults{};
    }
    open_.emplace_back().node = make_node(kind, place_of(mark));
  }

  void end() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& open = open_.back();
    if (open.node.kind == YamlNode::Kind::list) {
      open.node.items.push_back(std::move(node));
    } else if (!open.waiting) {
      open.waiting = YamlEntry{key_text(node), node.place, {}};
    } else {
      open.waiting->value = std::move(node);
      add_entry(open);
    }
  }

  std::string key_text(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::scalar) return node.text;
    fault(node.place, "a key must be a plain word");
    return {};
  }

  void add_entry(Open& open) {
    const YamlEntry& entry = *open.waiting;
    if (open.seen.insert(entry.key).second) {
      open.node.entries.push_back(std::move(*open.waiting));
    } else {
      fault(entry.place, "the key " + quoted(entry.key) + " stands here for the second time");
    }
    open.waiting.reset();
  }

  YamlNode root_{};
  std::vector<Open> open_{};
  std::vector<FileFault> faults_{};
};

// yaml-cpp takes 0x04 for the end of the text (the rest would be ignored in silence) and reads
// UTF-16 where a byte order mark says so: what it may see is decided here.
std::optional<FileFault> unreadable(std::string_view text) {
  if (text.size() > yaml_bytes_max) {
    return FileFault{0, 0, "larger than " + std::to_string(yaml_bytes_max) + " bytes"};
  }
  int line = 1;
  for (std::size_t start = 0; start <= text.size(); ++line) {
    const std::size_t stop = std::min(text.find('\n', start), text.size());
    const std::string_view bytes = text.substr(start, stop - start);
    const auto bad = std::find_if(bytes.begin(), bytes.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r') || c == 0x7f;
    });
    if (bad != bytes.end()) {
      return FileFault{line, static_cast<int>(bad - bytes.begin()) + 1, "a control character"};
    }
    if (!is_utf8(bytes)) return FileFault{line, 1, "bytes that are no UTF-8"};
    start = stop + 1;
  }
  return std::nullopt;
}

// Reads a view in place, as an istream.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* first = const_cast<char*>(text.data());  // a get area is never written to
    setg(first, first, first + text.size());
  }
};

void read_documents(std::string_view text, TreeBuilder& builder) {
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  YAML::Parser parser(stream);
  if (!parser.HandleNextDocument(builder)) return;
  TreeBuilder second;
  if (parser.HandleNextDocument(second)) {
    builder.fault({0, 0}, "holds more than one document; remove the '---' between them");
  }
}

}  // namespace

YamlNode make_node(YamlNode::Kind kind, SourcePlace place, std::string text) {
  YamlNode node;
  node.kind = kind;
  node.place = place;
  node.text = std::move(text);
  return node;
}

YamlText parse_yaml(std::string_view text) {
  if (auto fault = unreadable(text)) return {{}, {std::move(*fault)}, false};
  TreeBuilder builder;
  YamlText result;
  try {
    read_documents(text, builder);
  } catch (const EnoughFaults&) {
    result.complete = false;
  } catch (const YAML::Exception& error) {
    const SourcePlace place = place_of(error.mark);
    result.faults.push_back(
        {place.line, place.column, "not valid YAML: " + error.msg + quoting_hint});
    result.complete = false;
  }
  result.root = builder.take_root();
  result.faults = join_faults(builder.take_faults(), std::move(result.faults));
  return result;
}

std::vector<FileFault> join_faults(std::vector<FileFault> text, std::vector<FileFault> content) {
  const auto place = [](const FileFault& fault) { return std::pair(fault.line, fault.column); };
  std::move(content.begin(), content.end(), std::back_inserter(text));
  std::stable_sort(text.begin(), text.end(),
                   [&](const FileFault& a, const FileFault& b) { return place(a) < place(b); });
  const auto same = [&](const FileFault& a, const FileFault& b) { return place(a) == place(b); };
  text.erase(std::unique(text.begin(), text.end(), same), text.end());
  if (text.size() > faults_max) text.resize(faults_max);
  return text;
}

}  // namespace pgtide
