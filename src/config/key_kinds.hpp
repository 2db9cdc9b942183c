#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/key_table.hpp"

namespace pgtide {

// The kinds of value that a key can have, each made into a KeyEntry: how it is read and checked,
// and how it is written. `Field` leads to the member of Config.

template <class T>
using Field = T& (*)(Config&);

// A key's name and its sentence.
struct KeyText {
  std::string path;
  std::string sentence;
};

template <class T>
struct Range {
  T least;
  T most;
};

// A value's text as it must be checked; "" where it is fine, else the end of "<key> must ...".
using TextCheck = std::string (*)(const std::string&);

struct Choice {
  std::string name;
  int value;
};

KeyEntry text_key(KeyText text, Field<std::string> field, TextCheck check = nullptr);
KeyEntry text_list_key(KeyText text, Field<std::vector<std::string>> field, TextCheck check);
KeyEntry switch_key(KeyText text, Field<bool> field);
// Of a shape that no flag could hold: in the file only.
KeyEntry file_key(KeyText text, decltype(KeyEntry::apply) apply, decltype(KeyEntry::write) write);
KeyEntry count_key(KeyText text, Field<std::size_t> field, Range<std::size_t> range);
KeyEntry count_key(KeyText text, Field<unsigned> field, Range<unsigned> range);
KeyEntry rate_key(KeyText text, Field<double> field, Range<double> range);
KeyEntry duration_key(KeyText text, Field<std::chrono::milliseconds> field,
                      Range<std::chrono::milliseconds> range);

// `read` and `change` turn the member into a Choice's value and back.
struct ChoiceField {
  int (*read)(const Config&);
  void (*change)(Config&, int);
};
KeyEntry choice_key(KeyText text, ChoiceField field, std::vector<Choice> choices);

// "host:port", the two halves of one member of Config.
KeyEntry address_key(KeyText text, Field<std::string> host, Field<std::uint16_t> port);
// The same, or "" for none.
KeyEntry optional_address_key(KeyText text, Field<std::string> host, Field<std::uint16_t> port);

}  // namespace pgtide
