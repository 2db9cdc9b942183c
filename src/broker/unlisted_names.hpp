#pragma once
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtide {

// Names of custom events that the rules do not list, each told once: an application that
// broadcasts to a name nobody may hear is logged, and not once per event. Past `names_max` names
// no new one is told, so that names made at random cannot fill memory or log.
class UnlistedNames {
 public:
  static constexpr std::size_t names_max = 1'000;

  void note(std::string_view name) {
    if (known_.size() >= names_max || known_.contains(name)) return;
    known_.emplace(name);
    fresh_.emplace_back(name);
  }
  std::vector<std::string> take() { return std::exchange(fresh_, {}); }
  // The rules are others now: what they do not list is news again.
  void forget() { known_.clear(); }

 private:
  std::set<std::string, std::less<>> known_{};
  std::vector<std::string> fresh_{};
};

}  // namespace pgtide
