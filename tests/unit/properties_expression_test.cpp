// Random expressions for random users over random rows. The same seed is the same run:
// PGTIDE_EXPRESSIONS is how many are tried, PGTIDE_SEED where they begin.
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>
#include <unordered_map>

#include "rules/evaluator.hpp"
#include "rules/json_value.hpp"
#include "rules/printer.hpp"
#include "unit/expression_fixture.hpp"
#include "unit/random_expression.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

constexpr int users_per_seed = 3, rows_per_seed = 5;
constexpr unsigned expressions_per_world = 8;

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text ? static_cast<unsigned>(std::atoll(text)) : otherwise;
}

naive::Value to_naive(const Value& value) {
  using Kind = naive::Value::Kind;
  naive::Value out = naive::make(static_cast<Kind>(value.kind), std::string(value.text));
  out.literal = out.truth = value.flag;
  out.at = value.integer;
  Scratch scratch;
  if (value.is(Value::Kind::list)) {
    for_each_element(value, scratch, [&](const Value& item) {
      out.items.push_back(to_naive(item));
      return true;
    });
  }
  if (value.is(Value::Kind::map)) {
    for (JsonWalk walk(value.text); walk.next_member();) {
      const std::string name(decode_json_string(walk.key(), scratch));
      out.members.emplace_back(name, to_naive(read_json(walk.value(), scratch)));
    }
  }
  return out;
}

struct StoredRow {
  std::map<std::string, std::optional<naive::Value>> cells;
  std::string json;
  std::optional<Row> row;
};

// Users and rows that a few expressions are tried on; ends at the first thing that is wrong.
class Trial {
 public:
  explicit Trial(unsigned seed) : generator_(seed), shape_(naive::Generator::shape()) {
    for (int n = 0; n < users_per_seed; ++n) {
      users_.push_back(generator_.user());
      principals_.push_back(naive::to_principal(users_.back()));
    }
    rows_.resize(rows_per_seed);
    for (StoredRow& stored : rows_) {
      stored.cells = generator_.row();
      stored.json = naive::to_row(stored.cells);
      auto parsed_row = Row::parse(stored.json);
      if (parsed_row) stored.row = std::move(*parsed_row);
    }
  }

  std::string wrong() {
    naive::TreePointer tree;
    for (unsigned n = 0; n < expressions_per_world; ++n) {
      tree = n % 2 == 0 ? generator_.condition(n % 4 == 0 ? 4 : 2) : generator_.sibling(*tree);
      std::string found = wrong_with(*tree);
      if (!found.empty()) return found;
    }
    return "";
  }
  int held = 0, failed = 0, indexed = 0, shared = 0;

 private:
  std::string wrong_with(const naive::Tree& tree) {
    const std::string text = naive::to_text(tree);
    const Parsed read = parsed(text);
    if (!read.expression) return text + "\n" + read.faults;
    const Parsed again = parsed(print_tree(read.expression->root()));
    if (!again.expression) return text + "\nprinted: " + again.faults;
    read.expression->check({true, &shape_});
    for (int n = -1; n < users_per_seed; ++n) {
      const auto at = static_cast<std::size_t>(n);
      const naive::Value* user = n < 0 ? nullptr : &users_[at];
      const Principal* principal = n < 0 ? nullptr : &principals_[at];
      const auto special = Predicate::specialize(*read.expression, principal);
      for (const StoredRow& stored : rows_) {
        const naive::Value expected = naive::value_of(tree, {user, &stored.cells});
        const std::string found =
            compare(*read.expression, *again.expression, *special, {principal, &stored, expected});
        if (!found.empty()) {
          return text + "\nuser: " + (user ? naive::to_json(*user) : "null") +
                 "\nrow: " + stored.json + "\nremains: " + special->text() + "\n" + found;
        }
      }
      if (std::string found = wrong_with_shared(special); !found.empty())
        return text + "\n" + found;
    }
    return "";
  }

  struct Case {
    const Principal* principal;
    const StoredRow* stored;
    const naive::Value& expected;
  };
  std::string compare(const Expression& expression, const Expression& again,
                      const Predicate& special, const Case& on) {
    const RecordView record{&*on.stored->row, &shape_};
    Scratch scratch;
    const std::string expected = naive::described(on.expected);
    for (const Expression* one : {&expression, &again}) {
      const Value value = evaluate(one->root(), {on.principal, &record}, scratch);
      const std::string found = naive::described(to_naive(value));
      if (found != expected) return "evaluated: " + found + "\nexpected: " + expected;
    }
    const bool holds = expected == "true";
    held += holds, failed += expected == "error";
    if (special.holds(record) != holds) return "specialized, it decides otherwise";
    return wrong_with_index(special, record, holds);
  }

  std::string wrong_with_index(const Predicate& special, const RecordView& record, bool holds) {
    if (special.outcome() != Predicate::Outcome::by_record) {
      return special.terms().empty() ? "" : "terms of what no record decides";
    }
    if (special.terms().empty()) return special.terms_suffice() ? "no terms suffice" : "";
    ++indexed;
    bool hit = false;
    for (const IndexTerm& term : special.terms()) {
      std::vector<std::string> keys;
      append_index_keys(keys, record, term.dimension);
      hit = hit || std::find(keys.begin(), keys.end(), term.key) != keys.end();
    }
    if (holds && !hit) return "it holds, and the index misses it";
    if (special.terms_suffice() && hit && !holds) return "the index hits, and it does not hold";
    return "";
  }

  // Predicates of one text decide alike; and both() is both.
  std::string wrong_with_shared(const std::shared_ptr<const Predicate>& special) {
    const auto [place, is_new] = by_text_.try_emplace(special->text(), special);
    shared += !is_new;
    const auto both = Predicate::both(special, last_);
    const auto compact = Predicate::compacted(special);
    for (const StoredRow& stored : rows_) {
      const RecordView record{&*stored.row, &shape_};
      const bool holds = special->holds(record);
      if (place->second->holds(record) != holds) return "equal texts: " + special->text();
      if (compact->holds(record) != holds) return "compacted: " + special->text();
      const bool expected = holds && (last_ == nullptr || last_->holds(record));
      if (both->holds(record) != expected) return "both: " + both->text();
      const std::string fault = wrong_with_index(*both, record, expected);
      if (!fault.empty()) return "both: " + fault + ": " + both->text();
    }
    last_ = special;
    return "";
  }

  naive::Generator generator_;
  RecordShape shape_;
  std::vector<naive::Value> users_;
  std::vector<Principal> principals_;
  std::vector<StoredRow> rows_;
  std::unordered_map<std::string, std::shared_ptr<const Predicate>> by_text_;
  std::shared_ptr<const Predicate> last_;
};

}  // namespace

TEST_CASE(
    "properties: expressions decide as a plain evaluator does, whole, specialized and indexed") {
  const unsigned worlds = number_from("PGTIDE_EXPRESSIONS", 400) / expressions_per_world;
  const unsigned first = number_from("PGTIDE_SEED", 1);
  int held = 0, failed = 0, indexed = 0, shared = 0;
  for (unsigned n = 0; n < worlds; ++n) {
    Trial trial(first + n);
    const std::string wrong = trial.wrong();
    INFO("PGTIDE_SEED=", first + n);
    REQUIRE(wrong == "");
    held += trial.held, failed += trial.failed, indexed += trial.indexed, shared += trial.shared;
  }
  MESSAGE(held, " held, ", failed, " errors, ", indexed, " indexed, ", shared, " of equal text");
  // The generator is worth its name.
  CHECK(held > 0);
  CHECK(indexed > 0);
  CHECK(shared > 0);
}
