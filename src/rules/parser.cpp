#include "rules/parser.hpp"

#include <algorithm>
#include <optional>

#include "model/utf8.hpp"
#include "model/wording.hpp"
#include "rules/call_parser.hpp"
#include "rules/lexer.hpp"

namespace pgtide {
namespace {

// A recursive descent over the tokens, one function per precedence of CEL, lowest first. A syntax
// error ends it, since what follows would be guesses; an unknown function or a wrong pattern does
// not, so that several are found at once. A generated parser was not worth its build step.
class Parser {
 public:
  Parser(std::vector<Token> tokens, const ExpressionLimits& limits,
         std::vector<ExpressionFault>& faults)
      : tokens_(std::move(tokens)), limits_(limits), calls_(limits, faults), faults_(faults) {}

  NodePointer run() {
    NodePointer root = expression();
    if (!stopped_ && !at_end()) syntax_error(after_expression());
    return root;
  }

 private:
  const Token& now() const { return tokens_[at_]; }
  bool at_end() const { return now().kind == Token::Kind::end; }
  bool take(std::string_view word) {
    if (stopped_ || !now().is(word)) return false;
    ++at_;
    return true;
  }
  // Consumes `word`, or it is a syntax error.
  void expect(std::string_view word, std::string_view where) {
    if (take(word) || stopped_) return;
    syntax_error("expected '" + std::string(word) + "' " + std::string(where) + found());
  }
  std::string found() const {
    return at_end() ? ", and here the text ends" : ", found " + quoted(now().source);
  }
  NodePointer syntax_error(std::string message) { return stop({now().offset, std::move(message)}); }
  NodePointer stop(ExpressionFault fault) {
    if (!stopped_) faults_.push_back(std::move(fault));
    stopped_ = true;
    at_ = tokens_.size() - 1;
    return std::make_unique<Node>(NodeKind::constant);
  }

  NodePointer make(NodeKind kind, std::size_t offset, std::vector<NodePointer> children = {});
  NodePointer constant(const Value& value, const Token& token);
  std::string after_expression() const;

  NodePointer expression();
  NodePointer conditional();
  NodePointer chain(std::string_view word);
  NodePointer relation();
  std::optional<Comparison> take_comparison();
  NodePointer unary();
  NodePointer postfix();
  NodePointer member_or_method(NodePointer of);
  NodePointer member(NodePointer of, std::string_view name, std::size_t offset);
  NodePointer index(NodePointer of);
  NodePointer primary();
  NodePointer named(const Token& name);
  NodePointer has(const Token& name);
  NodePointer call(const Token& name, std::vector<NodePointer> arguments);
  NodePointer list(std::size_t offset);
  std::vector<NodePointer> until(std::string_view closing);

  std::vector<Token> tokens_;
  const ExpressionLimits& limits_;
  CallParser calls_;
  std::vector<ExpressionFault>& faults_;
  std::size_t at_ = 0;
  std::size_t nesting_ = 0;
  std::size_t nodes_ = 0;
  bool stopped_ = false;
};

std::vector<NodePointer> pair_of(NodePointer one, NodePointer other) {
  std::vector<NodePointer> nodes;
  nodes.push_back(std::move(one));
  nodes.push_back(std::move(other));
  return nodes;
}

std::vector<NodePointer> only(NodePointer one) {
  std::vector<NodePointer> nodes;
  nodes.push_back(std::move(one));
  return nodes;
}

NodePointer Parser::make(NodeKind kind, std::size_t offset, std::vector<NodePointer> children) {
  auto node = std::make_unique<Node>(kind, offset);
  for (const NodePointer& child : children) node->depth = std::max(node->depth, child->depth + 1);
  node->children = std::move(children);
  if (++nodes_ > limits_.nodes) {
    return stop(
        {offset, "too long: at most " + std::to_string(limits_.nodes) + " values and operators"});
  }
  if (node->depth > limits_.depth) {
    return stop(
        {offset, "too deep: at most " + std::to_string(limits_.depth) + " levels in one another"});
  }
  return node;
}

NodePointer Parser::constant(const Value& value, const Token& token) {
  NodePointer node = make(NodeKind::constant, token.offset);
  node->value = owned_copy(value, node->owned);
  return node;
}

std::string Parser::after_expression() const {
  const Token& token = now();
  const std::string word = lower_case(token.source);
  if (word == "and") return "write &&";
  if (word == "or") return "write ||";
  if (word == "not") return "write !";
  if (word == "is") return "write == null or != null";
  if (word == "like" || word == "ilike") {
    return "write startsWith, endsWith, contains or matches, as in record.title.startsWith('a')";
  }
  if (token.kind == Token::Kind::number && token.source.starts_with('-')) {
    return "there is no arithmetic: compare with a value that is computed beforehand";
  }
  return "expected an operator or the end, found " + quoted(token.source);
}

NodePointer Parser::expression() {
  if (nesting_ >= limits_.depth) {
    return syntax_error("too deep: at most " + std::to_string(limits_.depth) +
                        " levels in one another");
  }
  ++nesting_;
  NodePointer node = conditional();
  --nesting_;
  return node;
}

NodePointer Parser::conditional() {
  NodePointer condition = chain("||");
  const std::size_t offset = now().offset;
  if (!take("?")) return condition;
  std::vector<NodePointer> parts = only(std::move(condition));
  parts.push_back(expression());
  expect(":", "between the two results of ?");
  parts.push_back(expression());
  return make(NodeKind::conditional, offset, std::move(parts));
}

NodePointer Parser::chain(std::string_view word) {
  const bool any = word == "||";
  const auto operand = [&] { return any ? chain("&&") : relation(); };
  NodePointer first = operand();
  const std::size_t offset = now().offset;
  if (!now().is(word)) return first;
  std::vector<NodePointer> operands = only(std::move(first));
  while (take(word)) operands.push_back(operand());
  return make(any ? NodeKind::any : NodeKind::all, offset, std::move(operands));
}

std::optional<Comparison> Parser::take_comparison() {
  for (int n = 0; n <= static_cast<int>(Comparison::greater_equal); ++n) {
    const auto comparison = static_cast<Comparison>(n);
    if (take(word_of(comparison))) return comparison;
  }
  return std::nullopt;
}

NodePointer Parser::relation() {
  NodePointer left = unary();
  while (!stopped_) {
    const std::size_t offset = now().offset;
    if (take("in")) {
      left = make(NodeKind::in, offset, pair_of(std::move(left), unary()));
    } else if (const auto comparison = take_comparison()) {
      left = make(NodeKind::comparison, offset, pair_of(std::move(left), unary()));
      left->comparison = *comparison;
    } else {
      break;
    }
  }
  return left;
}

NodePointer Parser::unary() {
  const std::size_t offset = now().offset;
  if (!take("!")) return postfix();
  if (nesting_ >= limits_.depth) return syntax_error("too many ! in a row");
  ++nesting_;
  NodePointer operand = unary();
  --nesting_;
  return make(NodeKind::negation, offset, only(std::move(operand)));
}

NodePointer Parser::postfix() {
  NodePointer node = primary();
  while (!stopped_) {
    if (take(".")) {
      node = member_or_method(std::move(node));
    } else if (take("[")) {
      node = index(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

NodePointer Parser::member_or_method(NodePointer of) {
  const Token name = now();
  if (name.kind != Token::Kind::name) return syntax_error("expected a name after '.'" + found());
  ++at_;
  if (take("(")) {
    std::vector<NodePointer> arguments = only(std::move(of));
    for (NodePointer& argument : until(")")) arguments.push_back(std::move(argument));
    NodePointer node = make(NodeKind::call, name.offset, std::move(arguments));
    if (!stopped_) calls_.finish_method(*node, name);
    return node;
  }
  return member(std::move(of), name.source, name.offset);
}

NodePointer Parser::member(NodePointer of, std::string_view name, std::size_t offset) {
  NodePointer node = of->is(NodeKind::record)
                         ? make(NodeKind::column, of->offset)
                         : make(NodeKind::member, offset, only(std::move(of)));
  node->name = name;
  return node;
}

// x['name'] is x.name.
NodePointer Parser::index(NodePointer of) {
  const std::size_t offset = now().offset;
  NodePointer inner = expression();
  expect("]", "after an index");
  const bool named = inner->is(NodeKind::constant) && inner->value.is(Value::Kind::text);
  if (!named) return make(NodeKind::index, offset, pair_of(std::move(of), std::move(inner)));
  return member(std::move(of), inner->value.text, offset);
}

NodePointer Parser::primary() {
  const Token token = now();
  if (token.kind == Token::Kind::name) {
    ++at_;
    return named(token);
  }
  if (token.kind == Token::Kind::text || token.kind == Token::Kind::number) {
    ++at_;
    const bool text = token.kind == Token::Kind::text;
    return constant(text ? Value::of_text(token.value) : Value::number(token.source), token);
  }
  if (take("[")) return list(token.offset);
  if (take("(")) {
    NodePointer node = expression();
    expect(")", "to close the '(' before it");
    return node;
  }
  return syntax_error("expected a value" + found());
}

NodePointer Parser::named(const Token& name) {
  if (name.source == "null") return constant(Value::null(true), name);
  if (name.source == "true") return constant(Value::boolean(true), name);
  if (name.source == "false") return constant(Value::boolean(false), name);
  if (name.source == "in") {
    --at_;
    return syntax_error("expected a value, found 'in'");
  }
  if (name.source == "not") {
    --at_;
    return syntax_error("write !");
  }
  if (take("(")) return name.source == "has" ? has(name) : call(name, until(")"));
  if (name.source == "user") return make(NodeKind::user, name.offset);
  if (name.source == "record") return make(NodeKind::record, name.offset);
  NodePointer node = make(NodeKind::unknown, name.offset);
  node->name = name.source;
  return node;
}

NodePointer Parser::call(const Token& name, std::vector<NodePointer> arguments) {
  NodePointer node = make(NodeKind::call, name.offset, std::move(arguments));
  if (!stopped_) calls_.finish_function(*node, name);
  return node;
}

// has(x.name) asks of x whether it has the name, so x is what is kept.
NodePointer Parser::has(const Token& name) {
  std::vector<NodePointer> arguments = until(")");
  if (stopped_) return std::make_unique<Node>(NodeKind::constant);
  NodePointer node = make(NodeKind::has, name.offset);
  const bool one = arguments.size() == 1;
  if (one && arguments[0]->is(NodeKind::column)) {
    node->kind = NodeKind::has_column;
  } else if (one && arguments[0]->is(NodeKind::member)) {
    node->children = std::move(arguments[0]->children);
    node->depth = arguments[0]->depth;
  } else {
    faults_.push_back({name.offset, "has() asks for one member: write has(x.name)"});
    return node;
  }
  node->name = arguments[0]->name;
  node->offset = arguments[0]->offset;
  return node;
}

NodePointer Parser::list(std::size_t offset) {
  return make(NodeKind::list, offset, until("]"));
}

// Expressions separated by commas; consumes `closing`.
std::vector<NodePointer> Parser::until(std::string_view closing) {
  std::vector<NodePointer> nodes;
  if (take(closing)) return nodes;
  do {
    nodes.push_back(expression());
  } while (take(","));
  expect(closing, "or ','");
  return nodes;
}

}  // namespace

NodePointer parse_tree(std::string_view text, const ExpressionLimits& limits,
                       std::vector<ExpressionFault>& faults) {
  if (text.size() > limits.bytes) {
    faults.push_back(
        {limits.bytes, "too long: at most " + std::to_string(limits.bytes) + " bytes"});
    return nullptr;
  }
  if (!is_utf8(text)) {
    faults.push_back({0, "not valid UTF-8"});
    return nullptr;
  }
  std::vector<Token> tokens = tokenize(text, faults);
  if (!faults.empty()) return nullptr;
  NodePointer root = Parser(std::move(tokens), limits, faults).run();
  return faults.empty() ? std::move(root) : nullptr;
}

}  // namespace pgtide
