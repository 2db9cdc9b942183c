#pragma once
#include <string>
#include <string_view>

#include "broker/broker.hpp"
#include "gateway/operator.hpp"
#include "pgtide/result.hpp"

// What an administrator asks of the connections over HTTP, and the answer's text (PROTOCOL 5).
namespace pgtide {

inline constexpr std::string_view connections_path = "/realtime/connections";

// GET: "user=17&limit=50&after=<id>", or "order=backlog&limit=10" for the slowest readers; each of
// them optional, percent-encoded. ErrorKind::invalid names the member that is wrong, unknown or
// there twice.
Result<ConnectionQuery> parse_listing(std::string_view query);
// DELETE: whom the target means, /realtime/connections/<id> or /realtime/connections?user=17.
Result<ConnectionQuery> parse_kick(std::string_view target);

std::string to_json(const ConnectionPage& page);

}  // namespace pgtide
