#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "rules/expression.hpp"
#include "rules/lexer.hpp"
#include "rules/node.hpp"

namespace pgtide {

// Finds out which function a parsed call means, and compiles the pattern of matches().
class CallParser {
 public:
  CallParser(const ExpressionLimits& limits, std::vector<ExpressionFault>& faults)
      : limits_(limits), faults_(faults) {}

  // `call` has its arguments as children, a method's receiver first. A fault is reported, and the
  // call left as it is.
  void finish_function(Node& call, const Token& name);
  void finish_method(Node& call, const Token& name);

 private:
  void fault(std::size_t offset, std::string message);
  void finish(Node& call, Function function);
  void compile_pattern(Node& call);

  const ExpressionLimits& limits_;
  std::vector<ExpressionFault>& faults_;
  std::size_t patterns_ = 0;
};

}  // namespace pgtide
