#include "rules/rules.hpp"

namespace pgtide {

bool Audience::admits(const Principal* who) const {
  switch (kind) {
    case Kind::nobody: return false;
    case Kind::anyone: return true;
    case Kind::authenticated: return who != nullptr;
    case Kind::by_rule: return rule.expression->holds(who);
  }
  return false;
}

}  // namespace pgtide
