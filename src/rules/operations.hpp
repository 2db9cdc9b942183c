#pragma once
#include <span>
#include <string_view>

#include "rules/node.hpp"
#include "rules/value.hpp"

// What the operators and functions of the language do with values that are there (docs/rules.md).
// All are total: an operand of a kind that they do not take, or an error, makes an error.
namespace pgtide {

// Every comparison; the result is a boolean or an error.
//
// Two nulls are equal only where one is the literal. Lists, maps and days compare with nothing but
// that literal.
Value compare(Comparison comparison, const Value& a, const Value& b);

// `needle` in a list or among the keys of a map. An element that equals wins over one that cannot
// be compared.
Value contained(const Value& needle, const Value& container, Scratch& scratch);

// value.name; an error where there is no such member.
Value member(const Value& value, std::string_view name, Scratch& scratch);
// value[index]: of a list by a whole number from 0, of a map by a text.
Value element(const Value& value, const Value& index, Scratch& scratch);
// has(value.name).
Value has_member(const Value& value, std::string_view name, Scratch& scratch);

// A function or method.
struct Call {
  Function function = Function::size;
  const TextPattern* pattern = nullptr;  // of matches()
};
Value apply(const Call& call, std::span<const Value> arguments, Scratch& scratch);

// Steps that apply() takes before it looks at the first element or place (Scratch::spend).
std::uint64_t steps_of(const Call& call, std::span<const Value> arguments);

// string(value): what an index by text looks at.
Value to_text(const Value& value, Scratch& scratch);

}  // namespace pgtide
