#include "bridge/doorkeeper.hpp"

#include <doctest/doctest.h>

#include "auth_signer.hpp"
#include "support/folder.hpp"

namespace pgtide::test {
namespace {

constexpr int crowd = 100;
constexpr int tries_of_each = 80;  // some 48 ms of P-384: less than an address may waste alone

}  // namespace

TEST_CASE("doorkeeper: a crowd of addresses wastes no more signatures than one of them may") {
  const Signer signer("ES384");
  const Signer stranger("ES384");
  Folder folder;
  Config::Auth auth;
  auth.jwt.algorithms = {"ES384"};
  auth.jwt.public_key_file = folder.write("key.pem", signer.pem());
  auto authenticator = Authenticator::make(auth);
  REQUIRE(authenticator.ok());
  const PolicyKeeper policies(std::make_shared<Rules>());
  const Doorkeeper doorkeeper(*authenticator, policies);
  const auto token_of = [&](const std::string& user) {
    return signer.token("{\"sub\":\"" + user + "\",\"exp\":4000000000}");
  };
  const std::string forged = stranger.token(R"({"sub":"17","exp":4000000000})");
  const std::string known = token_of("17");
  REQUIRE(doorkeeper.by_token(known, "192.0.2.200").ok());

  int computed = 0;
  bool spent = false;
  for (int n = 0; n < crowd * tries_of_each && !spent; ++n) {
    const auto refused = doorkeeper.by_token(forged, "192.0.2." + std::to_string(n % crowd));
    REQUIRE(!refused.ok());
    spent = refused.error().kind == ErrorKind::unavailable;
    computed += spent ? 0 : 1;
  }
  CHECK(spent);
  CHECK(computed >= crowd);  // each is new once
  CHECK(doorkeeper.by_token(known, "192.0.2.1").ok());
  CHECK(doorkeeper.by_token(token_of("18"), "198.51.100.1").ok());  // comes for the first time
}

}  // namespace pgtide::test
