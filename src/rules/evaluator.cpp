#include "rules/evaluator.hpp"

#include <algorithm>
#include <array>

#include "rules/compact_tree.hpp"
#include "rules/json_value.hpp"
#include "rules/operations.hpp"
#include "rules/projected_row.hpp"

namespace pgtide {
namespace {

constexpr std::size_t members_per_step = 8;  // that a column is looked for among

// The two forms of a tree, for which there is one evaluation.
class NodePart {
 public:
  explicit NodePart(const Node& node) : node_(&node) {}
  NodeKind kind() const { return node_->kind; }
  Comparison comparison() const { return node_->comparison; }
  Function function() const { return node_->function; }
  std::string_view name() const { return node_->name; }
  const Value& value() const { return node_->value; }
  const TextPattern* pattern() const { return node_->pattern.get(); }
  std::size_t size() const { return node_->children.size(); }
  NodePart child(std::size_t n) const { return NodePart(node_->child(n)); }

 private:
  const Node* node_;
};

Value map_of(std::string_view json) {
  Value value;
  value.kind = Value::Kind::map;
  value.text = json;
  return value;
}

std::string roles_as_json(const Principal& user) {
  std::string json = "[";
  for (const std::string& role : user.roles) {
    if (json.size() > 1) json += ',';
    append_quoted(json, role);
  }
  return json + "]";
}

template <class Part>
class Evaluation {
 public:
  Evaluation(const Surroundings& around, Scratch& scratch) : around_(around), scratch_(scratch) {}

  Value value_of(const Part& node);
  // Is it true? What an error is elsewhere, here is no.
  bool is_true(const Part& condition);

 private:
  Value user() const;
  Value user_member(std::string_view name) const;
  Value member_of(const Part& node);
  Value has(const Part& node);
  Value has_column(const Part& node) const;
  Value index(const Part& node);
  Value comparison(const Part& node);
  Value membership(const Part& node);
  Value list(const Part& node);
  Value chain(const Part& node, bool decisive);
  Value negation(const Part& node);
  Value conditional(const Part& node);
  Value call(const Part& node);

  const Surroundings& around_;
  Scratch& scratch_;
};

template <class Part>
Value Evaluation<Part>::value_of(const Part& node) {
  if (!scratch_.spend(1)) return {};
  switch (node.kind()) {
    case NodeKind::constant:
      return node.value();
    case NodeKind::unknown:
    case NodeKind::record:
      return {};
    case NodeKind::user:
      return user();
    case NodeKind::column:
      if (around_.record == nullptr) return {};
      return read_record_column(*around_.record, node.name(), scratch_);
    case NodeKind::member:
      return member_of(node);
    case NodeKind::index:
      return index(node);
    case NodeKind::list:
      return list(node);
    case NodeKind::negation:
      return negation(node);
    case NodeKind::all:
      return chain(node, false);
    case NodeKind::any:
      return chain(node, true);
    case NodeKind::conditional:
      return conditional(node);
    case NodeKind::comparison:
      return comparison(node);
    case NodeKind::in:
      return membership(node);
    case NodeKind::has:
      return has(node);
    case NodeKind::has_column:
      return has_column(node);
    case NodeKind::call:
      return call(node);
  }
  return {};
}

template <class Part>
bool Evaluation<Part>::is_true(const Part& condition) {
  const bool any = condition.kind() == NodeKind::any;
  if (!any && condition.kind() != NodeKind::all) return value_of(condition).is_true();
  if (!scratch_.spend(1)) return false;
  for (std::size_t n = 0; n < condition.size(); ++n) {
    if (is_true(condition.child(n)) == any) return any;
  }
  return !any;
}

// The whole user is rarely asked for: mostly `user != null`.
template <class Part>
Value Evaluation<Part>::user() const {
  if (around_.user == nullptr) return Value::null();
  std::string json = R"({"id":)";
  append_quoted(json, around_.user->id);
  json += R"(,"roles":)" + roles_as_json(*around_.user);
  json += R"(,"claims":)" + around_.user->claims + "}";
  return map_of(scratch_.keep(std::move(json)));
}

template <class Part>
Value Evaluation<Part>::user_member(std::string_view name) const {
  if (around_.user == nullptr) return {};
  if (name == "id") return Value::of_text(around_.user->id);
  if (name == "claims") return map_of(around_.user->claims);
  if (name != "roles") return {};
  std::vector<Value> roles;
  for (const std::string& role : around_.user->roles) roles.push_back(Value::of_text(role));
  Value value;
  value.kind = Value::Kind::list;
  value.items = scratch_.keep(std::move(roles));
  return value;
}

template <class Part>
Value Evaluation<Part>::member_of(const Part& node) {
  if (node.child(0).kind() == NodeKind::user) return user_member(node.name());
  const Value of = value_of(node.child(0));
  return scratch_.spend(steps_to_read(of)) ? pgtide::member(of, node.name(), scratch_) : Value{};
}

template <class Part>
Value Evaluation<Part>::has(const Part& node) {
  const Value of = value_of(node.child(0));
  return scratch_.spend(steps_to_read(of)) ? has_member(of, node.name(), scratch_) : Value{};
}

template <class Part>
Value Evaluation<Part>::index(const Part& node) {
  const Value of = value_of(node.child(0));
  const Value at = value_of(node.child(1));
  return scratch_.spend(steps_to_read(of)) ? element(of, at, scratch_) : Value{};
}

// Of two texts no more is read than the shorter one has.
template <class Part>
Value Evaluation<Part>::comparison(const Part& node) {
  const Value left = value_of(node.child(0));
  const Value right = value_of(node.child(1));
  const std::uint64_t one = steps_to_read(left), other = steps_to_read(right);
  const bool texts = left.is(Value::Kind::text) && right.is(Value::Kind::text);
  if (!scratch_.spend(texts ? std::min(one, other) : one + other)) return {};
  return compare(node.comparison(), left, right);
}

template <class Part>
Value Evaluation<Part>::membership(const Part& node) {
  const Value needle = value_of(node.child(0));
  const Value container = value_of(node.child(1));
  if (!scratch_.spend(steps_to_read(container))) return {};
  return contained(needle, container, scratch_);
}

template <class Part>
Value Evaluation<Part>::has_column(const Part& node) const {
  if (around_.record == nullptr) return {};
  const RecordShape* shape = around_.record->shape;
  if (shape != nullptr && shape->columns.contains(node.name()) && !shape->open) {
    return Value::boolean(true);
  }
  const Row& row = *around_.record->row;
  if (!scratch_.spend(row.members().size() / members_per_step)) return {};
  return Value::boolean(row.find(node.name()) != nullptr);
}

template <class Part>
Value Evaluation<Part>::list(const Part& node) {
  std::vector<Value> items;
  for (std::size_t n = 0; n < node.size(); ++n) {
    items.push_back(value_of(node.child(n)));
    if (items.back().is(Value::Kind::error)) return {};
  }
  Value value;
  value.kind = Value::Kind::list;
  value.items = scratch_.keep(std::move(items));
  return value;
}

// && and ||: one `decisive` boolean decides, whatever errors stand beside it.
template <class Part>
Value Evaluation<Part>::chain(const Part& node, bool decisive) {
  Value result = Value::boolean(!decisive);
  for (std::size_t n = 0; n < node.size(); ++n) {
    const Value value = value_of(node.child(n));
    if (!value.is(Value::Kind::boolean)) {
      result = {};
    } else if (value.flag == decisive) {
      return value;
    }
  }
  return result;
}

template <class Part>
Value Evaluation<Part>::negation(const Part& node) {
  const Value value = value_of(node.child(0));
  return value.is(Value::Kind::boolean) ? Value::boolean(!value.flag) : Value{};
}

template <class Part>
Value Evaluation<Part>::conditional(const Part& node) {
  const Value condition = value_of(node.child(0));
  if (!condition.is(Value::Kind::boolean)) return {};
  return value_of(node.child(condition.flag ? 1 : 2));
}

template <class Part>
Value Evaluation<Part>::call(const Part& node) {
  const std::array<Value, 2> arguments{value_of(node.child(0)),
                                       node.size() > 1 ? value_of(node.child(1)) : Value{}};
  const Call what{node.function(), node.pattern()};
  return scratch_.spend(steps_of(what, arguments)) ? apply(what, arguments, scratch_) : Value{};
}

template <class Part>
bool holds_in_parts(const Part& condition, std::size_t ruled, const Surroundings& around,
                    Scratch& scratch) {
  Scratch of_rule;
  Evaluation<Part> rule(around, of_rule), filter(around, scratch);
  const bool several = condition.kind() == NodeKind::all;
  for (std::size_t n = 0; n < (several ? condition.size() : 1); ++n) {
    const Part part = several ? condition.child(n) : condition;
    if (!(n < ruled ? rule : filter).is_true(part)) return false;
  }
  return true;
}

// The row's members before it are passed by, its type is looked up, and its JSON is looked through
// for escapes.
std::uint64_t steps_to_find(const Row& row, const RowMember& found) {
  constexpr std::uint64_t itself = 3;
  const auto place = static_cast<std::size_t>(&found - row.members().data());
  return itself + place / members_per_step + found.value.size() / text_bytes_per_step;
}

}  // namespace

Value evaluate(const Node& node, const Surroundings& around, Scratch& scratch) {
  return Evaluation<NodePart>(around, scratch).value_of(NodePart(node));
}

Value evaluate(const CompactTree& tree, const Surroundings& around, Scratch& scratch) {
  return Evaluation<CompactTree::Part>(around, scratch).value_of(tree.root());
}

bool holds(const Node& condition, std::size_t ruled, const Surroundings& around,
           Scratch& scratch) {
  return holds_in_parts(NodePart(condition), ruled, around, scratch);
}

bool holds(const CompactTree& condition, std::size_t ruled, const Surroundings& around,
           Scratch& scratch) {
  return holds_in_parts(condition.root(), ruled, around, scratch);
}

Value read_record_column(const RecordView& record, std::string_view column, Scratch& scratch) {
  const RowMember* found = record.row->find(column);
  if (found == nullptr) return {};
  if (!scratch.spend(steps_to_find(*record.row, *found))) return {};
  if (record.shape != nullptr) {
    const auto known = record.shape->columns.find(column);
    if (known != record.shape->columns.end()) {
      return read_column(found->value, known->second, scratch);
    }
  }
  return read_json(found->value, scratch);
}

}  // namespace pgtide
