#include "broker/case_trial.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "broker/broker.hpp"
#include "model/frame.hpp"
#include "model/json_row.hpp"
#include "model/record_id.hpp"
#include "model/server_message.hpp"
#include "model/wording.hpp"
#include "rules/json_value.hpp"

// A case is a small world: a broker of its own, one connection, one subscription, a batch of one
// event as the log would hold it. What came of it is read from the frames that a client would get.
namespace pgtide {
namespace {

const CaseColumn* find_column(const CaseRow& row, std::string_view name) {
  const auto found = std::find_if(row.columns.begin(), row.columns.end(),
                                  [name](const CaseColumn& column) { return column.name == name; });
  return found != row.columns.end() ? &*found : nullptr;
}

// Where no column of that name stands, or a NULL: "null".
std::string_view value_of(const CaseRow& row, std::string_view name) {
  const CaseColumn* column = find_column(row, name);
  return column != nullptr ? std::string_view(column->json) : "null";
}

// A value that PostgreSQL would not print for a column of this type.
bool is_of_another_type(const CaseColumn& column, const ColumnType& type) {
  if (column.json == "null") return false;
  if (type.kind == ColumnKind::text) return column.json.front() != '"';
  Scratch scratch;
  return read_column(column.json, type, scratch).is(Value::Kind::error);
}

class CaseChecker {
 public:
  explicit CaseChecker(const Collection& table) : table_(table) {}

  void check(const CaseRow& row) {
    for (const CaseColumn& column : row.columns) check_column(column);
    for (const std::string& key : table_.key) {
      if (value_of(row, key) == "null") {
        fault(row.place, "the key column " + key + " is missing; every row has its key");
      }
    }
  }

  // The log holds a change of the key as two changes.
  void check_keys(const CaseRow& old_row, const CaseRow& new_row) {
    for (const std::string& key : table_.key) {
      if (value_of(old_row, key) == value_of(new_row, key)) continue;
      fault(new_row.place, "an update that changes the key column " + key +
                               " is a delete and a create; write two cases");
    }
  }

  void check_names(const std::vector<std::string>& names, SourcePlace place) {
    for (const std::string& name : names) {
      if (!knows(name)) fault(place, unknown(name));
    }
  }

  std::vector<CaseFault> take() { return std::move(faults_); }

 private:
  bool knows(std::string_view name) const {
    return std::find(table_.columns.begin(), table_.columns.end(), name) != table_.columns.end();
  }

  std::string unknown(const std::string& name) const {
    return "table " + table_.table + " has no column " + quoted(name) +
           did_you_mean(name, table_.columns);
  }

  void check_column(const CaseColumn& column) {
    const auto found = std::find(table_.columns.begin(), table_.columns.end(), column.name);
    if (found == table_.columns.end()) {
      fault(column.place, unknown(column.name));
      return;
    }
    const auto at = static_cast<std::size_t>(found - table_.columns.begin());
    const ColumnType type = table_.type_of(at);
    if (!is_of_another_type(column, type)) return;
    const bool quotable = type.kind == ColumnKind::text && column.json.front() != '[' &&
                          column.json.front() != '{';
    fault(column.value_place, column.name + " is " + type.name + ": this is no value of it" +
                                  (quotable ? "; write it between quotes" : ""));
  }

  void fault(SourcePlace place, std::string message) {
    faults_.push_back({place, std::move(message)});
  }

  const Collection& table_;
  std::vector<CaseFault> faults_{};
};

// The row as the log has it: every column, in the table's order.
std::string row_text(const CaseRow& row, const std::vector<std::string>& columns) {
  std::string text;
  for (const std::string& column : columns) {
    text += (text.empty() ? "" : ",") + json_string(column) + ":";
    text += value_of(row, column);
  }
  return "{" + text + "}";
}

// An event's data: no more than what the case says.
std::string custom_text(const CaseRow& row) {
  std::string text;
  for (const CaseColumn& column : row.columns) {
    text += (text.empty() ? "" : ",") + json_string(column.name) + ":" + column.json;
  }
  return "{" + text + "}";
}

std::string record_id_of(const CaseRow& row, const Collection& table) {
  std::vector<std::string> values;
  for (const std::string& key : table.key) {
    const std::string_view json = value_of(row, key);
    Scratch scratch;
    values.emplace_back(json.front() == '"' ? decode_json_string(json, scratch) : json);
  }
  return make_record_id(values);
}

Event make_event(const RuleCase& one, const Collection* table) {
  Event event;
  event.id = 1;
  event.action = one.action;
  event.collection = one.collection;
  event.timestamp = "2000-01-01T00:00:00.000000Z";
  if (one.action == Action::custom) {
    event.new_row = custom_text(*one.row);
    return event;
  }
  PGTIDE_ASSERT(table != nullptr);
  event.collection_id = table->id;
  event.record_id = record_id_of(one.row ? *one.row : *one.old, *table);
  if (one.row) event.new_row = row_text(*one.row, table->columns);
  if (!one.old) return event;
  if (table->old_rows) {
    event.old_row = row_text(*one.old, table->columns);
  } else if (one.action == Action::delete_) {
    event.old_row = row_text(*one.old, table->key);
  }
  return event;
}

// The payload of the first of whole frames.
std::string_view payload_of(std::string_view frames) {
  const std::size_t size = frame_size_at(frames);
  const auto length = static_cast<unsigned char>(frames[1]);
  const std::size_t header = length < 126 ? 2 : length == 126 ? 4 : frame_header_bytes_max;
  return frames.substr(header, size - header);
}

// A member of a frame that is a string; "" where there is none.
std::string text_of(const Row& frame, std::string_view name) {
  const RowMember* member = frame.find(name);
  if (member == nullptr || !member->value.starts_with('"')) return {};
  Scratch scratch;
  return std::string(decode_json_string(member->value, scratch));
}

std::string list_of(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return " [" + list + "]";
}

// The columns of `record`, or of a custom event's data, sorted.
std::vector<std::string> columns_of(const Row& frame, std::string_view member) {
  std::vector<std::string> columns;
  const RowMember* found = frame.find(member);
  const auto record = Row::parse(found != nullptr ? found->value : "");
  if (record) {
    for (const RowMember& each : record->members()) columns.emplace_back(each.column);
  }
  std::sort(columns.begin(), columns.end());
  return columns;
}

std::string subscribe_text(const RuleCase& one) {
  std::string text = R"({"type":"subscribe","pattern":)" + json_string(to_string(one.pattern));
  if (one.filter) text += ",\"filter\":" + json_string(*one.filter);
  return text + "}";
}

// Why the subscription was refused; empty: it was not.
std::string refusal_in(std::string_view frames) {
  const auto reply = Row::parse(payload_of(frames));
  PGTIDE_ASSERT(reply.ok());
  if (text_of(*reply, "type") != "error") return {};
  const std::string code = text_of(*reply, "code");
  for (const WireCode denied : {WireCode::permission_denied, WireCode::unauthenticated,
                                WireCode::unknown_collection}) {
    if (code == to_string(denied)) return "denied";
  }
  return "error " + code + ": " + text_of(*reply, "message");
}

std::string seen_in(std::string_view frames, bool with_columns) {
  const auto frame = Row::parse(payload_of(frames));
  PGTIDE_ASSERT(frame.ok());
  const bool custom = text_of(*frame, "type") == "custom_event";
  std::string seen = custom ? "custom" : text_of(*frame, "action");
  if (with_columns) seen += list_of(columns_of(*frame, custom ? "data" : "record"));
  return seen;
}

std::string try_change(const RuleCase& one, const std::shared_ptr<const Policy>& policy) {
  constexpr std::uint64_t epoch = 1;
  Broker broker({}, policy, Cursor{epoch, 0, 0});
  const Broker::Clock::time_point start{};
  const auto connection = broker.open({.id = "case", .user = one.user}, start).number;
  const Reply reply = broker.receive(connection, subscribe_text(one), start);
  if (std::string refusal = refusal_in(reply.frames); !refusal.empty()) return refusal;
  if (!one.has_change()) return "subscribed";
  Batch batch{.epoch = epoch, .tick = 1, .nonce = 1};
  batch.events.push_back(make_event(one, policy->catalog().find(one.collection)));
  std::string seen = "nothing";
  broker.deliver(batch, [&](const Delivery& delivery) {
    seen = seen_in(delivery.run->frames, one.columns.has_value());
  });
  return seen;
}

}  // namespace

std::vector<CaseFault> check_case(const RuleCase& one, const Catalog& catalog) {
  if (!one.has_change() || one.action == Action::custom) return {};
  const Collection* table = catalog.find(one.collection);
  if (table == nullptr) {
    return {{one.place, "no table is watched as " + quoted(one.collection) +
                            "; watch it, or write `action: custom` for an event's data"}};
  }
  CaseChecker checker(*table);
  if (one.old) checker.check(*one.old);
  if (one.row) checker.check(*one.row);
  if (one.old && one.row) checker.check_keys(*one.old, *one.row);
  const bool named_id = one.expected == "delete";  // `id` stands in for a key of another name
  if (one.columns && !named_id) checker.check_names(*one.columns, one.place);
  return checker.take();
}

CaseOutcome try_case(const RuleCase& one, const std::shared_ptr<const Policy>& policy) {
  CaseOutcome outcome{.expected = one.expected, .got = try_change(one, policy)};
  if (one.columns) outcome.expected += list_of(*one.columns);
  return outcome;
}

}  // namespace pgtide
