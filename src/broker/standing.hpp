#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "broker/lens.hpp"
#include "model/pattern.hpp"
#include "model/text_map.hpp"
#include "rules/policy.hpp"

namespace pgtide {

// What the rules say of one user: each of them is decided once for a collection, however many of
// its patterns are asked about. A rule may be dear to decide, as one that looks for something
// among two thousand elements of a claim. Lives for one message, or one look at a connection;
// policy and user must not change meanwhile.
class Standing {
 public:
  // `decided` counts the decisions.
  Standing(const Policy& policy, const Principal* who, Lenses& lenses, std::uint64_t& decided)
      : policy_(policy), who_(who), lenses_(lenses), decided_(decided) {}

  const Policy& policy() const { return policy_; }
  const Principal* who() const { return who_; }

  Policy::Verdict may_subscribe(const Pattern& pattern);
  // Of a collection's pattern; null: all of its rows.
  std::shared_ptr<const Predicate> rows(const Pattern& pattern);
  std::shared_ptr<const Lens> lens(const Pattern& pattern);

 private:
  struct Decided {
    std::optional<Policy::Verdict> verdict{};
    std::optional<std::shared_ptr<const Predicate>> rows{};
    std::optional<std::shared_ptr<const Lens>> lens{};
  };
  // "*" is a collection of its own here; no other has that name.
  Decided& of(const Pattern& pattern);

  const Policy& policy_;
  const Principal* who_;
  Lenses& lenses_;
  std::uint64_t& decided_;
  TextMap<Decided> by_collection_{};
};

}  // namespace pgtide
