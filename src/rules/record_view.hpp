#pragma once
#include <map>
#include <string>

#include "model/column_kind.hpp"
#include "model/json_row.hpp"

namespace pgtide {

// Which columns `record` has, and how their JSON is read.
struct RecordShape {
  std::map<std::string, ColumnType, std::less<>> columns{};
  bool open = false;  // custom events only: any name is possible, and is what its JSON holds
};

// A row as rules and filters see it. Both must outlive it. A custom event's data is read without a
// shape, whatever table its collection has: every member is what its JSON holds.
struct RecordView {
  const Row* row = nullptr;
  const RecordShape* shape = nullptr;
};

}  // namespace pgtide
