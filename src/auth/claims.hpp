#pragma once
#include <chrono>
#include <string_view>

#include "model/identity.hpp"
#include "pgtide/config.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// A principal's id: what a pattern's record id may take, too.
inline constexpr std::size_t principal_id_bytes_max = 256;

// What a payload whose signature is right says (RFC 7519, 4.1): times, issuer, audience, id and
// roles, as `jwt` wants them. ErrorKind::denied names the claim, and never repeats its value.
Result<Identity> read_claims(std::string_view payload, const Config::Jwt& jwt,
                             std::chrono::system_clock::time_point now);

}  // namespace pgtide
