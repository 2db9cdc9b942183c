#include "fuzz/fuzz.hpp"

#include "rules/evaluator.hpp"
#include "rules/printer.hpp"
#include "unit/expression_fixture.hpp"

namespace pgtide::test {
namespace {

void decide(const Expression& expression, const Principal* user, const RecordView& record) {
  Scratch scratch;
  const bool whole = evaluate(expression.root(), {user, &record}, scratch).is_true();
  const auto special = Predicate::specialize(expression, user);
  PGTIDE_ASSERT(special->holds(record) == whole);
  bool hit = false;
  for (const IndexTerm& term : special->terms()) {
    std::vector<std::string> keys;
    append_index_keys(keys, record, term.dimension);
    for (const std::string& key : keys) hit = hit || key == term.key;
  }
  PGTIDE_ASSERT(!special->terms_suffice() || hit == whole);
  PGTIDE_ASSERT(special->terms().empty() || hit || !whole);
}

}  // namespace

void fuzz_expression(std::string_view text) {
  static const RecordShape shape = every_kind();
  static const Principal user = ada();
  static const Row row = *Row::parse(every_kind_row);
  const Parsed result = parsed(text, filter_limits);
  const Parsed rule = parsed(text);
  if (!rule.expression) return;
  for (const Scope& scope : {Scope{true, &shape}, Scope{false, &shape}, Scope{true, nullptr}}) {
    rule.expression->check(scope);
  }
  const RecordView record{&row, &shape}, open{&row, nullptr};
  for (const Principal* who : {&user, static_cast<const Principal*>(nullptr)}) {
    decide(*rule.expression, who, record);
    decide(*rule.expression, who, open);
    rule.expression->holds(who);
  }
  // What is printed takes more bytes where names are escaped.
  const std::string printed = print_tree(rule.expression->root());
  const Parsed again = parsed(printed, {10 * printed.size() + 1, 64, 1'000, 1'000, 1 << 20});
  PGTIDE_ASSERT(again.expression != nullptr);
  PGTIDE_ASSERT(print_tree(again.expression->root()) == printed);
}

}  // namespace pgtide::test
