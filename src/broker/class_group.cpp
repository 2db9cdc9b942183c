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
// Up to four classes of a pattern are looked at without a table, each with its own terms: most
// patterns of one record have a class or two, and the table of sixty terms takes 6 KB.
//
// A class is found through its old row, its new row or both; either way both rows are decided,
// since a row that is seen no longer is a delete. (Rejected: the row's values in a tree of ranges,
// for `<` and `>`: it costs every event, and nobody's first rules need it.)
namespace pgtide {
namespace {

constexpr std::size_t few_max = 4;
constexpr std::size_t keys_kept = 256;  // of a row, for the next one's
// Of an index: a table of Boost's for one dimension, and a key in it with who has it, in a table
// that is half full. A long key lies beside it.
constexpr std::size_t table_bytes = 800, place_bytes = 96, short_key_bytes = 15;

// What an event without a rule to ask shows.
Visible visible_of(Action action) {
  return {action != Action::create && action != Action::custom, action != Action::delete_};
}

bool is_scanned(const DeliveryClass& narrowed) {
  return narrowed.traits.unindexed || !narrowed.traits.rest->predicate().has_terms();
}

std::size_t bytes_of_place(std::string_view key) {
  return place_bytes + (key.size() > short_key_bytes ? key.size() : 0);
}

void put(std::vector<DeliveryClass*>& list, DeliveryClass& added, std::uint32_t& place) {
  place = static_cast<std::uint32_t>(list.size());
  list.push_back(&added);
}

void take(std::vector<DeliveryClass*>& list, std::uint32_t DeliveryClass::*place,
          DeliveryClass& gone) {
  list[gone.*place] = list.back();
  list[gone.*place]->*place = gone.*place;
  list.pop_back();
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
  if (!indexed_ && few_.size() < few_max) return put(few_, narrowed, narrowed.scan_place);
  indexed_ = true;
  for (DeliveryClass* one : few_) index(*one);
  few_ = {};
  index(narrowed);
}

void NarrowedClasses::index(DeliveryClass& narrowed) {
  std::size_t bytes = charge_.bytes();
  const auto add_term = [&](const IndexDimension& what, std::string_view key) {
    auto dimension = find(what);
    if (dimension == dimensions_.end()) {
      dimension = dimensions_.insert(dimension, Dimension{.what = what});
      bytes += table_bytes;
    }
    auto held = dimension->by_key.find(key);
    if (held == dimension->by_key.end()) {
      held = dimension->by_key.emplace(std::string(key), KeyHolders{}).first;
      bytes += bytes_of_place(key);
    }
    held->second.add(narrowed);
  };
  narrowed.traits.rest->predicate().for_each_term(add_term);
  charge_.set(bytes);
}

void NarrowedClasses::remove(DeliveryClass& narrowed) {
  take(all_, &DeliveryClass::place, narrowed);
  const Predicate& predicate = narrowed.traits.rest->predicate();
  if (predicate.outcome() != Predicate::Outcome::by_record) return;
  if (is_scanned(narrowed)) return take(scanned_, &DeliveryClass::scan_place, narrowed);
  if (!indexed_) return take(few_, &DeliveryClass::scan_place, narrowed);
  take_from_index(narrowed);
}

void NarrowedClasses::take_from_index(DeliveryClass& narrowed) {
  std::size_t bytes = charge_.bytes();
  const auto remove_term = [&](const IndexDimension& what, std::string_view key) {
    const auto dimension = find(what);
    if (dimension == dimensions_.end()) return;  // a term that stands there twice
    const auto held = dimension->by_key.find(key);
    if (held != dimension->by_key.end()) {
      held->second.remove(narrowed);
      if (held->second.empty()) {
        dimension->by_key.erase(held);
        bytes -= bytes_of_place(key);
      }
    }
    if (!dimension->by_key.empty()) return;
    dimensions_.erase(dimension);
    bytes -= table_bytes;
  };
  narrowed.traits.rest->predicate().for_each_term(remove_term);
  charge_.set(bytes);
}

void NarrowedClasses::match(EventRows& rows, ScanBudget& budget, std::vector<Match>& found) {
  match_by_key(rows, budget, found);
  match_few(rows, budget, found);
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
  keep_scratch();
}

// Not that of a row with a long list, once for each pattern that looks into it.
void NarrowedClasses::keep_scratch() {
  if (keys_.capacity() > keys_kept) std::vector<std::string>().swap(keys_);
  if (hits_.capacity() > keys_kept) std::vector<Match>().swap(hits_);
  scratch_charge_.set(keys_.capacity() * sizeof(std::string) + hits_.capacity() * sizeof(Match));
}

void NarrowedClasses::match_few(EventRows& rows, ScanBudget& budget, std::vector<Match>& found) {
  for (DeliveryClass* one : few_) {
    const Predicate& predicate = one->traits.rest->predicate();
    const auto hits = [&](const Row* row) {
      return row != nullptr && predicate.has_term_of({row, rows.shape()});
    };
    const Visible hit{hits(rows.old_row()), hits(rows.new_row())};
    if (!hit.before && !hit.after) continue;
    const Visible visible = one->terms_suffice ? hit : budget.decide(*one, rows);
    if (visible.before || visible.after) found.push_back({one, visible});
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

ClassGroup::ClassGroup(const Pattern& pattern_, MemoryAccount* memory_)
    : pattern(pattern_),
      text(to_string(pattern_)),
      quoted(json_string(text)),
      memory(memory_) {}

void ClassGroup::add(DeliveryClass& made) {
  made.group = this;
  if (made.traits.rest == nullptr) {
    put(open, made, made.place);
    return;
  }
  if (narrowed == nullptr) narrowed = std::make_unique<NarrowedClasses>(memory);
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
