#pragma once
#include <string>

#include "rules/node.hpp"
#include "rules/static_type.hpp"

namespace pgtide {

// One side of a comparison, for the messages about it.
struct Operand {
  const Node* node = nullptr;
  StaticType type{};
};

// "author_id is bigint".
std::string said_of(const Operand& operand);

// What makes the comparison an error whatever the values are, with the mend; "" where nothing does.
std::string fault_of_comparison(Comparison comparison, const Operand& a, const Operand& b);

// The same of `needle in container`. The elements of a list that is written out are compared one by
// one, by fault_of_element.
std::string fault_of_membership(const Operand& needle, const Operand& container);
std::string fault_of_element(const Operand& needle, const Operand& element);

}  // namespace pgtide
