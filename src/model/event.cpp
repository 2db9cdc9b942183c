#include "pgtide/event.hpp"

#include "model/batch.hpp"

namespace pgtide {

std::string_view to_string(Action action) {
  switch (action) {
    case Action::create: return "create";
    case Action::update: return "update";
    case Action::delete_: return "delete";
    case Action::truncate: return "truncate";
    case Action::custom: return "custom";
    case Action::schema_changed: return "schema_changed";
  }
  return "schema_changed";
}

std::size_t Batch::bytes() const {
  std::size_t sum = 0;
  for (const Event& event : events) {
    sum += event.collection.size() + event.record_id.size() + event.new_row.size() +
           event.old_row.size() + event.timestamp.size();
  }
  return sum;
}

}  // namespace pgtide
