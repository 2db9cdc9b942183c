#include "config/key_kinds.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "model/utf8.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

using Refused = std::optional<Refusal>;

ConfigKey name_key(KeyText text) {
  std::string flag = "--" + text.path;
  std::replace(flag.begin(), flag.end(), '_', '-');
  std::string environment = "PGTIDE_";
  for (const char c : text.path) {
    environment += c == '.' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return {
      std::move(text.path), std::move(flag), std::move(environment), std::move(text.sentence), {}};
}

KeyEntry make_entry(KeyText text, decltype(KeyEntry::apply) apply,
                    decltype(KeyEntry::write) write) {
  KeyEntry entry{name_key(std::move(text)), std::move(apply), std::move(write)};
  entry.key.fallback = entry.write(Config{});
  return entry;
}

// Reading is no change, but Field leads through a Config that could be changed.
template <class T>
const T& read(Field<T> field, const Config& config) {
  return field(const_cast<Config&>(config));
}

// As a person would quote it in YAML: always, but for plain words.
std::string written_text(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '/';
  };
  const bool word = !text.empty() && std::all_of(text.begin(), text.end(), plain);
  if (word && text != "true" && text != "false" && text != "null") return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string text_fault(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::null) return "has no value; write \"\" for none";
  if (node.kind != YamlNode::Kind::scalar) return "must be a text";
  if (!is_utf8(node.text) || has_control_characters(node.text)) {
    return "must be a text without control characters";
  }
  return {};
}

// A whole number or a decimal fraction in plain digits; nothing else that YAML might take for one.
template <class T>
std::optional<T> parse_number(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::scalar || node.quoted) return std::nullopt;
  if (node.text.find_first_not_of("0123456789.") != std::string::npos) return std::nullopt;
  T value{};
  const char* end = node.text.data() + node.text.size();
  const auto [rest, fault] = std::from_chars(node.text.data(), end, value);
  if (fault != std::errc{} || rest != end) return std::nullopt;
  return value;
}

std::string found(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::scalar) return ", not " + quoted(node.text);
  if (node.kind == YamlNode::Kind::list) return ", not a list";
  return node.kind == YamlNode::Kind::map ? ", not a map" : "";
}

std::string written_number(double value) {
  char buffer[64];
  const auto [end, fault] =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return fault == std::errc{} ? std::string(buffer, end) : std::string();
}
std::string written_number(std::size_t value) {
  return std::to_string(value);
}
std::string written_number(unsigned value) {
  return std::to_string(value);
}

template <class T>
KeyEntry number_key(KeyText text, Field<T> field, Range<T> range, const std::string& what) {
  const std::string bounds = "must be " + what + " from " + written_number(range.least) + " to " +
                             written_number(range.most);
  return make_entry(
      std::move(text),
      [=](Config& config, const YamlNode& node) -> Refused {
        const std::optional<T> value = parse_number<T>(node);
        if (!value || *value < range.least || *value > range.most) {
          return Refusal{bounds + found(node)};
        }
        field(config) = *value;
        return std::nullopt;
      },
      [=](const Config& config) { return written_number(read(field, config)); });
}

// "[::1]:8080" and "127.0.0.1:8080"; the host comes without its brackets.
std::optional<std::pair<std::string, std::uint16_t>> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const char* end = digits.data() + digits.size();
  const auto [rest, fault] = std::from_chars(digits.data(), end, port);
  if (fault != std::errc{} || rest != end) return std::nullopt;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.find_first_of("[]/ @") != std::string_view::npos) return std::nullopt;
  if (!bracketed && host.find(':') != std::string_view::npos) return std::nullopt;
  return std::pair{std::string(host), port};
}

}  // namespace

KeyEntry text_key(KeyText text, Field<std::string> field, TextCheck check) {
  return make_entry(
      std::move(text),
      [=](Config& config, const YamlNode& node) -> Refused {
        std::string why = text_fault(node);
        if (why.empty() && check != nullptr) why = check(node.text);
        if (!why.empty()) return Refusal{why};
        field(config) = node.text;
        return std::nullopt;
      },
      [=](const Config& config) { return written_text(read(field, config)); });
}

KeyEntry text_list_key(KeyText text, Field<std::vector<std::string>> field, TextCheck check) {
  return make_entry(
      std::move(text),
      [=](Config& config, const YamlNode& node) -> Refused {
        if (node.kind != YamlNode::Kind::list) return Refusal{"must be a list, such as [a, b]"};
        std::vector<std::string> values;
        for (const YamlNode& item : node.items) {
          if (item.kind == YamlNode::Kind::null) {
            return Refusal{"has an item without a value; where the word null is meant, quote it: "
                           "\"null\"",
                           item.place};
          }
          std::string why = text_fault(item);
          if (why.empty()) why = check(item.text);
          if (!why.empty()) return Refusal{why, item.place};
          values.push_back(item.text);
        }
        field(config) = std::move(values);
        return std::nullopt;
      },
      [=](const Config& config) {
        std::string out;
        for (const std::string& value : read(field, config)) {
          out += (out.empty() ? "" : ", ") + written_text(value);
        }
        return "[" + out + "]";
      });
}

KeyEntry switch_key(KeyText text, Field<bool> field) {
  return make_entry(
      std::move(text),
      [=](Config& config, const YamlNode& node) -> Refused {
        const bool plain = node.kind == YamlNode::Kind::scalar && !node.quoted;
        if (!plain || (node.text != "true" && node.text != "false")) {
          return Refusal{"must be true or false" + found(node)};
        }
        field(config) = node.text == "true";
        return std::nullopt;
      },
      [=](const Config& config) { return read(field, config) ? "true" : "false"; });
}

KeyEntry file_key(KeyText text, decltype(KeyEntry::apply) apply,
                  decltype(KeyEntry::write) write) {
  KeyEntry entry = make_entry(std::move(text), std::move(apply), std::move(write));
  entry.key.flag.clear();
  entry.key.environment.clear();
  return entry;
}

KeyEntry count_key(KeyText text, Field<std::size_t> field, Range<std::size_t> range) {
  return number_key<std::size_t>(std::move(text), field, range, "a whole number");
}

KeyEntry count_key(KeyText text, Field<unsigned> field, Range<unsigned> range) {
  return number_key<unsigned>(std::move(text), field, range, "a whole number");
}

KeyEntry rate_key(KeyText text, Field<double> field, Range<double> range) {
  return number_key<double>(std::move(text), field, range, "a number");
}

KeyEntry duration_key(KeyText text, Field<std::chrono::milliseconds> field,
                      Range<std::chrono::milliseconds> range) {
  const std::string bounds =
      "must be a duration from " + to_text(range.least) + " to " + to_text(range.most);
  return make_entry(
      std::move(text),
      [=](Config& config, const YamlNode& node) -> Refused {
        if (node.kind != YamlNode::Kind::scalar) return Refusal{bounds + found(node)};
        const auto duration = parse_duration(node.text);
        if (!duration) return Refusal{"is not a duration: " + duration.error().message};
        if (*duration < range.least || *duration > range.most) {
          return Refusal{bounds + found(node)};
        }
        field(config) = *duration;
        return std::nullopt;
      },
      [=](const Config& config) { return to_text(read(field, config)); });
}

KeyEntry choice_key(KeyText text, ChoiceField field, std::vector<Choice> choices) {
  std::string names;
  std::vector<std::string> words;
  for (const Choice& choice : choices) {
    const char* comma = names.empty() ? "" : (&choice == &choices.back() ? " or " : ", ");
    names += comma + choice.name;
    words.push_back(choice.name);
  }
  return make_entry(
      std::move(text),
      [=](Config& config, const YamlNode& node) -> Refused {
        for (const Choice& choice : choices) {
          if (node.kind != YamlNode::Kind::scalar || choice.name != node.text) continue;
          field.change(config, choice.value);
          return std::nullopt;
        }
        return Refusal{"must be " + names + found(node) + did_you_mean(node.text, words)};
      },
      [=](const Config& config) {
        for (const Choice& choice : choices) {
          if (choice.value == field.read(config)) return choice.name;
        }
        return std::string();
      });
}

KeyEntry address_key(KeyText text, Field<std::string> host, Field<std::uint16_t> port) {
  return make_entry(
      std::move(text),
      [=](Config& config, const YamlNode& node) -> Refused {
        if (std::string why = text_fault(node); !why.empty()) return Refusal{why};
        auto address = parse_address(node.text);
        if (!address) {
          return Refusal{"must be host:port, such as 127.0.0.1:8080 or [::1]:8080" + found(node)};
        }
        host(config) = std::move(address->first);
        port(config) = address->second;
        return std::nullopt;
      },
      [=](const Config& config) {
        const std::string& name = read(host, config);
        const bool six = name.find(':') != std::string::npos;
        return (six ? "[" + name + "]" : name) + ":" + std::to_string(read(port, config));
      });
}

KeyEntry optional_address_key(KeyText text, Field<std::string> host, Field<std::uint16_t> port) {
  KeyEntry entry = address_key(std::move(text), host, port);
  entry.apply = [=, apply = std::move(entry.apply)](Config& config, const YamlNode& node) {
    const bool none = node.kind == YamlNode::Kind::scalar && node.text.empty();
    if (!none) return apply(config, node);
    host(config).clear();
    port(config) = 0;
    return Refused{};
  };
  entry.write = [=, write = std::move(entry.write)](const Config& config) {
    return read(host, config).empty() ? std::string("\"\"") : write(config);
  };
  entry.key.fallback = entry.write(Config{});
  return entry;
}

}  // namespace pgtide
