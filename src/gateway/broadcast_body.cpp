#include "gateway/broadcast_body.hpp"

#include <nlohmann/json.hpp>

#include "model/json_row.hpp"
#include "model/pattern.hpp"
#include "model/server_message.hpp"

namespace pgtide {
namespace {

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

Result<std::string> parse_collection(std::string_view json) {
  const auto value = nlohmann::json::parse(json, nullptr, false);
  if (!value.is_string()) return invalid("\"collection\" must be a string");
  auto name = value.get<std::string>();
  if (!is_collection_name(name)) {
    return invalid("\"collection\" is " + json_string(name) +
                   ", which is no name of a collection: [A-Za-z_][A-Za-z0-9_]{0,62}");
  }
  return name;
}

// The first field that is there twice, or that the request does not have; empty: none.
std::string find_wrong_field(const std::vector<RowMember>& members, bool to_all) {
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto name = members[i].column;
    if (name != "data" && (to_all || name != "collection")) {
      return "unknown field " + json_string(name);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (members[j].column == name) return "field " + json_string(name) + " is there twice";
    }
  }
  return {};
}

}  // namespace

Result<BroadcastRequest> parse_broadcast(std::string_view body, bool to_all) {
  if (const auto checked = check_json(body); !checked) {
    return invalid("the body is not JSON: " + checked.error().message);
  }
  const auto row = Row::parse(body);
  if (!row) return invalid("the body must be a JSON object");
  if (auto wrong = find_wrong_field(row->members(), to_all); !wrong.empty()) {
    return invalid(std::move(wrong));
  }
  BroadcastRequest request;
  if (!to_all) {
    const auto* collection = row->find("collection");
    if (collection == nullptr) return invalid("field \"collection\" is missing");
    auto name = parse_collection(collection->value);
    if (!name) return name.error();
    request.collection = std::move(*name);
  }
  const auto* content = row->find("data");
  if (content == nullptr) return invalid("field \"data\" is missing");
  if (content->value.size() > broadcast_bytes_max) {
    return Error{ErrorKind::too_large, "\"data\" is larger than 1 MiB (1048576 bytes)"};
  }
  request.json = std::string(content->value);
  return request;
}

}  // namespace pgtide
