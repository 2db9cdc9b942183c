#pragma once
#include "model/principal.hpp"
#include "rules/node.hpp"
#include "rules/record_view.hpp"
#include "rules/value.hpp"

namespace pgtide {

class CompactTree;

// What an expression's variables stand for. A null user is nobody; without a record its columns are
// errors.
struct Surroundings {
  const Principal* user = nullptr;
  const RecordView* record = nullptr;
};

// The value of the tree; an error is a value, too. The result views the row, the user, the tree and
// `scratch`.
Value evaluate(const Node& node, const Surroundings& around, Scratch& scratch);
Value evaluate(const CompactTree& tree, const Surroundings& around, Scratch& scratch);

// Is the condition true? Its parts are those of its &&, or itself; they are asked in their order
// until one is not true, as an error is not: of a row that a rule does not show nothing else is
// asked. The first `ruled` parts are a rule's and take no steps of `scratch`.
bool holds(const Node& condition, std::size_t ruled, const Surroundings& around, Scratch& scratch);
bool holds(const CompactTree& condition, std::size_t ruled, const Surroundings& around,
           Scratch& scratch);

// The value of a column; an error where the row lacks it or its JSON is not of the column's type.
Value read_record_column(const RecordView& record, std::string_view column, Scratch& scratch);

}  // namespace pgtide
