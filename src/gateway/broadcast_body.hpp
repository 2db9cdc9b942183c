#pragma once
#include <string_view>

#include "gateway/operator.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// Most bytes of a broadcast's data (PROTOCOL 3).
inline constexpr std::size_t broadcast_bytes_max = 1'048'576;

// The body of POST /realtime/broadcast ({"collection":...,"data":...}), or with `to_all` of
// /realtime/broadcast_all ({"data":...}). ErrorKind::invalid names the field that is wrong,
// unknown or there twice; too_large: data over broadcast_bytes_max. The data's text is kept as it
// was sent.
Result<BroadcastRequest> parse_broadcast(std::string_view body, bool to_all);

}  // namespace pgtide
