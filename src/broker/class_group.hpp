#pragma once
#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/delivery_class.hpp"
#include "rules/text_map.hpp"

namespace pgtide {

// A class that an event concerns, and how its rows stand to it.
struct Match {
  DeliveryClass* in = nullptr;
  Visible visible{};
};

// The classes of one pattern that see only some of the rows, found by what they look at in a row
// (the design comment tops class_group.cpp).
class NarrowedClasses {
 public:
  void add(DeliveryClass& narrowed);
  void remove(DeliveryClass& narrowed);
  bool empty() const { return all_.empty(); }
  const std::vector<DeliveryClass*>& all() const { return all_; }

  void match(EventRows& rows, std::vector<Match>& found);

 private:
  struct Dimension {
    IndexDimension what{};
    // Most keys have one class, which lies beside the key.
    using Holders = boost::container::small_vector<DeliveryClass*, 1>;
    boost::unordered_flat_map<std::string, Holders, TextHash, std::equal_to<>> by_key{};
  };
  std::vector<Dimension>::iterator find(const IndexDimension& what);
  void match_by_key(EventRows& rows, std::vector<Match>& found);
  void look_up(const Dimension& dimension, EventRows& rows, bool Visible::*when);

  std::vector<DeliveryClass*> all_{};
  std::vector<DeliveryClass*> scanned_{};  // no index serves them
  std::vector<Dimension> dimensions_{};
  std::vector<Match> hits_{};           // scratch of match_by_key()
  std::vector<std::string> keys_{};     // scratch of look_up()
};

// All classes of one pattern. Exists as long as there is one.
struct ClassGroup {
  Pattern pattern{};
  std::string text{};                          // the pattern's
  std::string quoted{};                        // as JSON
  std::vector<DeliveryClass*> open{};          // they see every row
  std::unique_ptr<NarrowedClasses> narrowed{};  // null: there are none

  explicit ClassGroup(const Pattern& pattern);
  bool empty() const { return open.empty() && narrowed == nullptr; }
  void add(DeliveryClass& made);
  void remove(DeliveryClass& gone);
  // Appends the classes that the event concerns, whether they want its action or not.
  void match(EventRows& rows, std::vector<Match>& found);
};

}  // namespace pgtide
