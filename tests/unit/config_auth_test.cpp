#include <doctest/doctest.h>

#include <string>

#include "config/config_file.hpp"

// The part `auth` of config.yaml.
using namespace pgtide;
using namespace std::chrono_literals;

namespace {

const std::string hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

std::string auth_faults(const std::string& yaml) {
  Config config;
  return to_string("c", apply_yaml(yaml, config));
}

}  // namespace

TEST_CASE("config: auth is read whole, with its section inside a section") {
  Config config;
  const auto faults = apply_yaml(
      "auth:\n"
      "  required: true\n"
      "  query_token: true\n"
      "  jwt:\n"
      "    algorithms: [RS256, EdDSA]\n"
      "    public_key_file: issuer.pem\n"
      "    jwks_file: /etc/jwks.json\n"
      "    issuer: https://id.example.com/\n"
      "    audience: pgtide\n"
      "    require_expiry: false\n"
      "    id_claim: user_id\n"
      "    roles_claim: realm_access.roles\n"
      "    leeway: 5s\n"
      "  api_keys:\n"
      "    - {name: backend, sha256: " +
          hash +
          ", roles: [admin, writer]}\n"
          "    - {name: other, sha256: " +
          hash + "}\n",
      config);
  REQUIRE(to_string("c", faults) == "");
  CHECK(config.auth.required);
  CHECK(config.auth.query_token);
  CHECK(config.auth.jwt.algorithms == std::vector<std::string>{"RS256", "EdDSA"});
  CHECK(config.auth.jwt.public_key_file == "issuer.pem");
  CHECK(config.auth.jwt.jwks_file == "/etc/jwks.json");
  CHECK(config.auth.jwt.issuer == "https://id.example.com/");
  CHECK(config.auth.jwt.audience == "pgtide");
  CHECK(!config.auth.jwt.require_expiry);
  CHECK(config.auth.jwt.id_claim == "user_id");
  CHECK(config.auth.jwt.roles_claim == "realm_access.roles");
  CHECK(config.auth.jwt.leeway == 5s);
  CHECK(config.auth.api_keys ==
        std::vector<Config::ApiKey>{{"backend", hash, {"admin", "writer"}}, {"other", hash, {}}});
}

TEST_CASE("config: a fault of auth says where it stands and what is wrong") {
  struct Row {
    std::string yaml;
    std::string faults;
    std::string why;
  };
  const std::string key = "auth: {api_keys: [{name: a, sha256: " + hash;
  const Row rows[] = {
      {"auth: {requierd: true}", "c:1:8: unknown key 'auth.requierd'; did you mean auth.required?",
       "a misspelling"},
      {"auth: {jwt: {secrets: x}}",
       "c:1:14: unknown key 'auth.jwt.secrets'; did you mean auth.jwt.secret?",
       "one in the inner section"},
      {"auth: {jwt: true}", "c:1:13: auth.jwt must hold keys, such as 'algorithms:', below it",
       "no section"},
      {"auth: {jtw: {}}", "c:1:8: unknown key 'auth.jtw'; did you mean auth.jwt?",
       "an inner section misspelled"},
      {"auth: {required: 'true'}", "c:1:18: auth.required must be true or false, not 'true'",
       "a text"},
      {"auth: {required: 1}", "c:1:18: auth.required must be true or false, not '1'", "a number"},
      {"auth: {jwt: {algorithms: [HS256, none]}}",
       "c:1:34: auth.jwt.algorithms must not hold none: such a token is signed by nobody",
       "none is never accepted"},
      {"auth: {jwt: {algorithms: [RS265]}}",
       "c:1:27: auth.jwt.algorithms must hold HS, RS, PS or ES with 256, 384 or 512, or EdDSA; not "
       "'RS265'; did you mean RS256?",
       "no such algorithm"},
      {"auth: {jwt: {leeway: 2h}}",
       "c:1:22: auth.jwt.leeway must be a duration from 0h to 1h, not '2h'", "too long"},
      {"auth: {jwt: {id_claim: ''}}", "c:1:24: auth.jwt.id_claim must name a claim", "no name"},
      {"auth: {api_keys: x}",
       "c:1:18: auth.api_keys must be a list, such as [{name: backend, sha256: ..., roles: "
       "[admin]}]",
       "no list"},
      {"auth: {api_keys: [x]}",
       "c:1:19: auth.api_keys must hold maps, such as {name: backend, sha256: ..., roles: [admin]}",
       "no map"},
      {key + ", role: [a]}]}",
       "c:1:103: auth.api_keys must not hold 'role'; known: name, sha256, roles; did you mean "
       "roles?",
       "an unknown member"},
      {key + ", roles: admin}]}",
       "c:1:110: auth.api_keys must have a list as roles, such as [admin]", "no list of roles"},
      {key + ", roles: ['']}]}", "c:1:111: auth.api_keys must have a text as role", "no role"},
      {"auth: {api_keys: [{sha256: " + hash + "}]}",
       "c:1:19: auth.api_keys must have a name for each key", "no name"},
      {"auth: {api_keys: [{name: a}]}", "c:1:19: auth.api_keys must have a sha256 for each key",
       "no hash"},
      {"auth: {api_keys: [{name: a, sha256: my-plain-key}]}",
       "c:1:37: auth.api_keys must have 64 hexadecimal digits as sha256: printf %s KEY | sha256sum",
       "the key itself, which is not repeated"},
      {key + "}, {name: a, sha256: " + hash + "}]}",
       "c:1:104: auth.api_keys must have another name for each key; 'a' is there twice",
       "one name twice"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(auth_faults(row.yaml) == row.faults);
  }
}

TEST_CASE("config: a wrong secret is never shown") {
  Config config;
  const auto applied = apply_value(config, "auth.jwt.secret", "hunter2\x01");
  REQUIRE(!applied);
  CHECK(applied.error().to_string().find("hunter2") == std::string::npos);
  CHECK(auth_faults("auth: {jwt: {secret: [hunter2]}}").find("hunter2") == std::string::npos);
}

TEST_CASE("config: a secret in two places is a contradiction") {
  Config config;
  config.auth.jwt.secret = "one";
  CHECK(contradictions(config).empty());
  config.auth.jwt.secret_file = "another";
  CHECK(contradictions(config).size() == 1);
}
