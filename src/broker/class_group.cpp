#include "broker/class_group.hpp"

#include <algorithm>

#include "model/server_message.hpp"
#include "pgtide/result.hpp"

// Matching by index. What a user's rule or a client's filter leaves to be asked of a row is most
// often "is its owner 17": such classes lie in a hash table under (what is looked at, its value),
// and an event looks up the values of its old row and of its new one. So its cost grows with those
// who see it and not with those who are there. A condition that is more than that is asked in full
// of the classes that the look-up has found, and only of them; where it is not more, being found is
// being seen, and no row is asked anything. Classes that name no value are asked
// one by one, each distinct condition once per event; how many of those clients may bring is
// limited, and so is what their being asked may take (filter_limit; scan_budget.cpp).
//
// A class is found through its old row, its new row or both; either way both rows are decided,
// since a row that is seen no longer is a delete. (Rejected: the row's values in a tree of ranges,
// for `<` and `>`: it costs every event, and nobody's first rules need it.)
namespace pgtide {
namespace {

// What an event without a rule to ask shows.
Visible visible_of(Action action) {
  return {action != Action::create && action != Action::custom, action != Action::delete_};
}

bool is_scanned(const DeliveryClass& narrowed) {
  return narrowed.traits.unindexed || narrowed.traits.rest->predicate().terms().empty();
}

void put(std::vector<DeliveryClass*>& list, DeliveryClass& added, std::uint32_t& place) {
  place = static_cast<std::uint32_t>(list.size());
  list.push_back(&added);
}

}  // namespace

const Pattern& DeliveryClass::pattern() const {
  return group->pattern;
}
const std::string& DeliveryClass::text() const {
  return group->text;
}
const std::string& DeliveryClass::quoted() const {
  return group->quoted;
}

std::vector<NarrowedClasses::Dimension>::iterator NarrowedClasses::find(
    const IndexDimension& what) {
  return std::find_if(dimensions_.begin(), dimensions_.end(),
                      [&what](const Dimension& one) { return one.what == what; });
}

void NarrowedClasses::add(DeliveryClass& narrowed) {
  put(all_, narrowed, narrowed.place);
  const Predicate& predicate = narrowed.traits.rest->predicate();
  if (predicate.outcome() != Predicate::Outcome::by_record) return;
  if (is_scanned(narrowed)) return put(scanned_, narrowed, narrowed.scan_place);
  narrowed.terms_suffice = predicate.terms_suffice();
  for (const IndexTerm& term : predicate.terms()) {
    auto dimension = find(term.dimension);
    if (dimension == dimensions_.end()) {
      dimension = dimensions_.insert(dimension, Dimension{.what = term.dimension});
    }
    dimension->by_key[term.key].add(narrowed);
  }
}

void NarrowedClasses::remove(DeliveryClass& narrowed) {
  all_[narrowed.place] = all_.back();
  all_[narrowed.place]->place = narrowed.place;
  all_.pop_back();
  const Predicate& predicate = narrowed.traits.rest->predicate();
  if (predicate.outcome() != Predicate::Outcome::by_record) return;
  if (is_scanned(narrowed)) {
    scanned_[narrowed.scan_place] = scanned_.back();
    scanned_[narrowed.scan_place]->scan_place = narrowed.scan_place;
    scanned_.pop_back();
    return;
  }
  for (const IndexTerm& term : predicate.terms()) {
    const auto dimension = find(term.dimension);
    if (dimension == dimensions_.end()) continue;  // a term that stands there twice
    const auto held = dimension->by_key.find(term.key);
    if (held != dimension->by_key.end()) {
      held->second.remove(narrowed);
      if (held->second.empty()) dimension->by_key.erase(held);
    }
    if (dimension->by_key.empty()) dimensions_.erase(dimension);
  }
}

void NarrowedClasses::match(EventRows& rows, ScanBudget& budget, std::vector<Match>& found) {
  match_by_key(rows, budget, found);
  for (DeliveryClass* scanned : scanned_) {
    const Visible visible = budget.decide(*scanned, rows);
    if (visible.before || visible.after) found.push_back({scanned, visible});
  }
}

void NarrowedClasses::match_by_key(EventRows& rows, ScanBudget& budget,
                                   std::vector<Match>& found) {
  if (dimensions_.empty()) return;
  hits_.clear();
  for (const Dimension& dimension : dimensions_) {
    look_up(dimension, rows, &Visible::after);
    look_up(dimension, rows, &Visible::before);
  }
  for (const Match& hit : hits_) {
    const Visible visible = hit.in->terms_suffice ? hit.visible : budget.decide(*hit.in, rows);
    if (visible.before || visible.after) found.push_back({hit.in, visible});
  }
}

// `when` says which of the event's rows.
void NarrowedClasses::look_up(const Dimension& dimension, EventRows& rows, bool Visible::*when) {
  const Row* row = when == &Visible::after ? rows.new_row() : rows.old_row();
  if (row == nullptr) return;
  keys_.clear();
  append_index_keys(keys_, {row, rows.shape()}, dimension.what);
  for (const std::string& key : keys_) {
    const auto held = dimension.by_key.find(key);
    if (held == dimension.by_key.end()) continue;
    held->second.for_each([&](DeliveryClass& hit) {
      if (hit.found_in != rows.number()) {
        hit.found_in = rows.number();
        hit.hit = static_cast<std::uint32_t>(hits_.size());
        hits_.push_back({&hit, {}});
        __builtin_prefetch(&hit.members);  // cold most often, and read at the end
      }
      hits_[hit.hit].visible.*when = true;
    });
  }
}

ClassGroup::ClassGroup(const Pattern& pattern_)
    : pattern(pattern_), text(to_string(pattern_)), quoted(json_string(text)) {}

void ClassGroup::add(DeliveryClass& made) {
  made.group = this;
  if (made.traits.rest == nullptr) {
    put(open, made, made.place);
    return;
  }
  if (narrowed == nullptr) narrowed = std::make_unique<NarrowedClasses>();
  narrowed->add(made);
}

void ClassGroup::remove(DeliveryClass& gone) {
  if (gone.traits.rest != nullptr) {
    narrowed->remove(gone);
    if (narrowed->empty()) narrowed.reset();
    return;
  }
  open[gone.place] = open.back();
  open[gone.place]->place = gone.place;
  open.pop_back();
}

void ClassGroup::match(EventRows& rows, ScanBudget& budget, std::vector<Match>& found) {
  const Action action = rows.event().action;
  const Visible visible = visible_of(action);
  for (DeliveryClass* in : open) found.push_back({in, visible});
  if (narrowed == nullptr) return;
  if (action != Action::truncate && action != Action::schema_changed) {
    narrowed->match(rows, budget, found);
    return;
  }
  for (DeliveryClass* in : narrowed->all()) found.push_back({in, visible});
}

}  // namespace pgtide
