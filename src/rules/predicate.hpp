#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rules/expression.hpp"
#include "rules/projection.hpp"
#include "rules/term_list.hpp"
#include "rules/value.hpp"

namespace pgtide {

class CompactTree;

// What remains of a rule or a filter once the user's values are known: a decision over the record
// alone. Immutable and shared between threads. Equal texts decide equally, so that a text is what
// equal remainders are found by.
class Predicate {
  struct Private {};

 public:
  enum class Outcome : unsigned char { always, never, by_record };

  // `where` for this user (null: anonymous). What the user's values decide is decided now; an
  // error that remains denies.
  static std::shared_ptr<const Predicate> specialize(const Expression& where,
                                                     const Principal* user);
  // A client's filter. Over the data of custom events without a table, what the projection does not
  // show is as if it were not there; a table's columns are checked instead.
  static std::shared_ptr<const Predicate> of_filter(const Expression& filter,
                                                    const Projection& shown);
  // What a rule and a filter leave: both must hold, and the filter is not asked where the rule does
  // not. Null stands for "always"; null where neither is there.
  static std::shared_ptr<const Predicate> both(std::shared_ptr<const Predicate> rule,
                                               std::shared_ptr<const Predicate> filter);
  // The same decision in a sixth of the memory, for one that is kept for long. No argument for
  // both().
  static std::shared_ptr<const Predicate> compacted(std::shared_ptr<const Predicate> predicate);

  Outcome outcome() const { return outcome_; }
  // In canonical form, in the language's own words where there are any: what `rules explain` shows.
  const std::string& text() const { return text_; }
  // An error is no.
  bool holds(const RecordView& record) const;
  // The same for at most so many steps (Scratch::spend) of the filter, if it is of both(); what is
  // left of them is in there afterwards, and the answer means nothing where that is 0.
  bool holds(const RecordView& record, std::uint64_t& steps_left) const;

  // It can hold only for a record that has at least one of these; empty: no index serves it.
  std::vector<IndexTerm> terms() const { return terms_.unpacked(); }
  // Calls `each` with the dimension and the key of each of them.
  template <class Each>
  void for_each_term(Each&& each) const {
    terms_.for_each([&each](const IndexDimension& dimension, std::string_view key) {
      each(dimension, key);
      return true;
    });
  }
  bool has_terms() const { return !terms_.empty(); }
  // About how much memory it takes.
  std::size_t bytes() const;
  bool has_term_of(const RecordView& record) const;
  // Having one of them is enough: holds() need not be asked.
  bool terms_suffice() const { return terms_suffice_; }
  // Does the index spare most rows the question? Not where a term is one that many records
  // have, such as a boolean or NULL, and more is asked of them.
  bool terms_narrow() const { return terms_narrow_; }

  Predicate(Private, std::unique_ptr<const Node> root, std::size_t ruled = 0);
  Predicate(Private, const Predicate& whole);
  ~Predicate();

 private:
  bool has_term(const RecordView& record, Scratch& scratch) const;

  // One of them at most; none: the terms decide.
  std::unique_ptr<const Node> root_;
  std::unique_ptr<const CompactTree> compact_{};
  std::string text_;
  TermList terms_{};
  bool terms_suffice_ = false;
  bool terms_narrow_ = false;
  Outcome outcome_ = Outcome::by_record;
  std::uint32_t ruled_ = 0;  // so many parts of its && are the rule's
};

// Appends the keys that `record` has in this dimension: none where the column is missing or cannot
// be read, one for a value (NULL too), one per element of a list.
void append_index_keys(std::vector<std::string>& keys, const RecordView& record,
                       const IndexDimension& dimension);

}  // namespace pgtide
