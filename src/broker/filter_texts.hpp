#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "broker/memory_account.hpp"
#include "model/text_set.hpp"
#include "rules/expression.hpp"

namespace pgtide {

// A client's filter while somebody holds it: its text. What it is parsed to takes ten times as
// much, and is only looked at when somebody subscribes or the rules change; then it is parsed anew.
struct HeldFilter : std::enable_shared_from_this<HeldFilter> {
  std::string text{};
  bool has_pattern = false;  // it calls matches()
  MemoryCharge charge{};
};
using HeldFilterPointer = std::shared_ptr<const HeldFilter>;

// Clients' filters by their text: the same page in a thousand browsers asks the same.
class FilterTexts {
 public:
  explicit FilterTexts(MemoryAccount* memory) : memory_(memory) {}
  FilterTexts(const FilterTexts&) = delete;
  FilterTexts& operator=(const FilterTexts&) = delete;

  // The one that is held of this text. This outlives it.
  HeldFilterPointer hold(const Expression& filter);

 private:
  MemoryAccount* memory_;  // null: none is kept
  TextSetOf<HeldFilter, &HeldFilter::text> held_{};
};

// The trees of filters, while very many are looked at that are often the same ones.
class FilterTrees {
 public:
  // Valid until the next call.
  const Expression& find(const HeldFilterPointer& held);

 private:
  struct Known {
    HeldFilterPointer held{};
    std::shared_ptr<const Expression> tree{};
  };
  std::array<Known, 128> known_{};
};

}  // namespace pgtide
