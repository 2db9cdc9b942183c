#include <doctest/doctest.h>

#include <functional>

#include "auth/authenticator.hpp"
#include "auth/token_maker.hpp"
#include "auth/verified_tokens.hpp"
#include "integration/auth_signer.hpp"
#include "support/folder.hpp"
#include "support/text.hpp"

// Tokens and API keys against an Authenticator: what is accepted, what is refused, and that no
// refusal repeats what it refuses.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

const std::string secret = "a secret of the tests, 32 bytes and more";
constexpr std::chrono::system_clock::time_point now{1'800'000'000s};
const std::string valid_payload = R"({"sub":"17","exp":1800000100})";

Config::Auth with_secret(const std::function<void(Config::Jwt&)>& adjust = {}) {
  Config::Auth auth;
  auth.jwt.secret = secret;
  if (adjust) adjust(auth.jwt);
  return auth;
}

std::shared_ptr<Authenticator> authenticator(const Config::Auth& auth) {
  auto made = Authenticator::make(auth);
  if (!made) FAIL(made.error().to_string());
  return *made;
}

// "17 [admin,writer] <claims>", or the refusal.
std::string verdict(const Result<Identity>& result) {
  if (!result) {
    CHECK(result.error().kind == ErrorKind::denied);
    return "!" + result.error().to_string();
  }
  std::string roles;
  for (const std::string& role : result->principal.roles) {
    roles += (roles.empty() ? "" : ",") + role;
  }
  return result->principal.id + " [" + roles + "]";
}

std::string fault_of(const Config::Auth& auth) {
  const auto made = Authenticator::make(auth);
  return made ? "" : made.error().to_string();
}

}  // namespace

TEST_CASE("auth: every algorithm is verified, and by the key of its own kind only") {
  const std::string names[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                               "PS512", "ES256", "ES384", "ES512", "EdDSA"};
  Folder folder;
  for (const std::string& name : names) {
    CAPTURE(name);
    const Signer signer(name);
    Config::Auth by_file;
    by_file.jwt.algorithms = {name};
    by_file.jwt.public_key_file = folder.write("key.pem", signer.pem());
    Config::Auth by_set;
    by_set.jwt.algorithms = {name};
    by_set.jwt.jwks_file = folder.write("keys.json", "{\"keys\":[" + signer.jwk() + "]}");
    for (const Config::Auth& auth : {by_file, by_set}) {
      const auto checked = authenticator(auth);
      std::string token = signer.token(valid_payload);
      CHECK(verdict(checked->verify_token(token, now)) == "17 []");
      CHECK(verdict(checked->verify_token(Signer(name).token(valid_payload), now)) ==
            "!the token's signature is wrong");
      token[token.size() - 20] = token[token.size() - 20] == 'A' ? 'B' : 'A';
      CHECK(verdict(checked->verify_token(token, now)) == "!the token's signature is wrong");
    }
  }
  for (const std::string name : {"HS256", "HS384", "HS512"}) {
    CAPTURE(name);
    const auto checked = authenticator(with_secret([&](auto& jwt) { jwt.algorithms = {name}; }));
    const std::string header = "{\"alg\":\"" + name + "\"}";
    CHECK(verdict(checked->verify_token(secret_token(secret, valid_payload, header, name), now)) ==
          "17 []");
    CHECK(verdict(checked->verify_token(secret_token(secret + "x", valid_payload, header, name),
                                        now)) == "!the token's signature is wrong");
  }
}

TEST_CASE("auth: an example of RFC 7515 is verified, which nobody here has signed") {
  // Appendix A.1, whose key is an oct key.
  Folder folder;
  Config::Auth auth;
  auth.jwt.jwks_file = folder.write(
      "keys.json",
      R"({"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75)"
      R"(aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]})");
  auth.jwt.id_claim = "iss";
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
      "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const auto checked = authenticator(auth);
  const std::chrono::system_clock::time_point then{1'300'819'379s};
  const auto identity = checked->verify_token(token, then);
  REQUIRE(verdict(identity) == "joe []");
  CHECK(identity->principal.claims ==
        R"({"iss":"joe","exp":1300819380,"http://example.com/is_root":true})");
  CHECK(identity->expires_at == then + 1s);
}

TEST_CASE("auth: a token that an attacker would write is refused") {
  const Signer rsa("RS256");
  Folder folder;
  Config::Auth auth = with_secret([&](auto& jwt) { jwt.algorithms = {"HS256", "RS256"}; });
  auth.jwt.public_key_file = folder.write("key.pem", rsa.pem());
  const auto checked = authenticator(auth);
  const std::string payload = valid_payload;
  const std::string unsigned_text =
      encode_base64url(R"({"alg":"none"})") + "." + encode_base64url(payload) + ".";
  const std::string good = secret_token(secret, payload);
  struct Row {
    std::string token;
    std::string refusal;
    std::string why;
  };
  const std::string foreign =
      "the token's algorithm (alg) is not accepted here: sign with HS256, "
      "RS256";
  const std::string no_jwt =
      "this is no JWT: three parts of base64url without padding, with dots between them";
  const std::string wrong = "the token's signature is wrong";
  const std::string header_fault = "the token's header is no JSON object, or holds a member twice";
  const Row rows[] = {
      {unsigned_text, foreign, "none"},
      {secret_token(secret, payload, R"({"alg":"NONE"})"), foreign, "none in capitals"},
      {secret_token(secret, payload, R"({"alg":""})"), foreign, "no name"},
      {secret_token(secret, payload, R"({"alg":["HS256"]})"), foreign, "a list"},
      {secret_token(secret, payload, R"({"typ":"JWT"})"), foreign, "no alg"},
      {secret_token(secret, payload, R"({"alg":"HS384"})", "HS384"), foreign,
       "an algorithm that is not listed"},
      {secret_token(rsa.pem(), payload), wrong, "the RSA key as a secret"},
      {secret_token("", payload), wrong, "an empty secret"},
      {rsa.token(R"({"alg":"HS256"})", payload), wrong, "RSA's signature under HS256"},
      {secret_token(secret, payload, R"({"alg":"RS256"})"), wrong, "HMAC under RS256"},
      {Signer("RS256").token(payload), wrong, "another RSA key"},
      {secret_token(secret, payload, R"({"alg":"HS256","alg":"none"})"), header_fault, "alg twice"},
      {secret_token(secret, payload, R"({"alg":"HS256","crit":["exp"],"exp":1})"),
       "the token's crit is not supported", "crit"},
      {secret_token(secret, payload, R"(["alg","HS256"])"), header_fault, "no object"},
      {secret_token(secret, payload, R"({"alg":"HS256","kid":7})"), "the token's kid is no text",
       "a kid that is a number"},
      {"", no_jwt, "nothing"},
      {"..", header_fault, "dots alone"},
      {"a.b", no_jwt, "two parts"},
      {good + ".", no_jwt, "four parts"},
      {good + "=", no_jwt, "padding"},
      {good + "\n", no_jwt, "a line's end"},
      {" " + good, no_jwt, "a space"},
      {good.substr(0, good.size() - 1), no_jwt, "a symbol less"},
      {good.substr(0, good.rfind('.') + 1), wrong, "no signature"},
      {std::string(1'048'576, 'a'), "the token is longer than 16384 bytes", "1 MiB"},
      {std::string(16'384, '.'), no_jwt, "dots only"},
      {secret_token(secret, R"({"sub":"17","exp":1800000100,"sub":"1"})"),
       "the token's payload is no JSON object, or holds a claim twice", "a claim twice"},
      {secret_token(secret, R"({"sub":"17","exp":1800000100,"a":{"b":1,"b":2}})"),
       "the token's payload is no JSON object, or holds a claim twice", "twice, deeper"},
      {secret_token(secret, R"({"sub":"17","exp":1800000100} )"
                            "x"),
       "the token's payload is no JSON object, or holds a claim twice", "more behind it"},
      {secret_token(secret, "17"), "the token's payload is no JSON object, or holds a claim twice",
       "no object"},
      {secret_token(secret, std::string(2'000, '[')),
       "the token's payload is no JSON object, or holds a claim twice", "depth"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(verdict(checked->verify_token(row.token, now)) == "!" + row.refusal);
  }
  CHECK(verdict(checked->verify_token(good, now)) == "17 []");
  CHECK(verdict(checked->verify_token(rsa.token(payload), now)) == "17 []");
}

TEST_CASE("auth: base64url has one spelling for each text of bytes") {
  for (int size = 0; size < 40; ++size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(i * 37 + size);
    const std::string text = encode_base64url(bytes);
    CHECK(decode_base64url(text) == bytes);
    for (const char* more : {"=", " ", "\n", "+", "/"}) CHECK(!decode_base64url(text + more));
  }
  CHECK(encode_base64url("\xfb\xef\xff") == "--__");
  CHECK(!decode_base64url("A"));
  CHECK(decode_base64url("AA") == std::string(1, '\0'));
  CHECK(!decode_base64url("AB"));  // bits that no byte takes
  CHECK(!decode_base64url("AAB"));
}

TEST_CASE("auth: claims are checked as the configuration wants them") {
  struct Row {
    std::string payload;
    std::string expected;
    std::string why;
  };
  const auto checked = authenticator(with_secret([](auto& jwt) {
    jwt.issuer = "https://id.example.com/";
    jwt.audience = "pgtide";
    jwt.roles_claim = "realm.roles";
  }));
  const std::string head = R"("iss":"https://id.example.com/","aud":"pgtide","exp":1800000100)";
  const std::string other = R"("iss":"https://id.example.com/","exp":1800000100,"sub":"17")";
  const Row rows[] = {
      {"{" + head + R"(,"sub":"17"})", "17 []", "all is well"},
      {"{" + head + R"(,"sub":17})", "17 []", "a number becomes its text"},
      {"{" + head + R"(,"sub":-9223372036854775808})", "-9223372036854775808 []", "the least"},
      {"{" + head + R"(,"sub":18446744073709551615})", "18446744073709551615 []", "the most"},
      {"{" + head + R"(,"sub":17.0})", "!the token's sub is neither a text nor a whole number",
       "a fraction"},
      {"{" + head + R"(,"sub":18446744073709551616})",
       "!the token's sub is neither a text nor a whole number", "a number that would be rounded"},
      {"{" + head + R"(,"sub":""})", "!the token's sub is empty", "nobody"},
      {"{" + head + R"(,"sub":null})", "!the token's sub is neither a text nor a whole number",
       "null"},
      {"{" + head + "}", "!the token has no sub, which says for whom it is", "no sub"},
      {"{" + head + R"(,"sub":"a\u0000b"})", "!the token's sub holds control characters", "NUL"},
      {"{" + head + ",\"sub\":\"" + std::string(257, 'x') + "\"}",
       "!the token's sub is over 256 bytes", "a long id"},
      {"{" + head + R"(,"sub":"17","realm":{"roles":["admin","writer"]}})", "17 [admin,writer]",
       "roles"},
      {"{" + head + R"(,"sub":"17","realm":{"roles":"admin"}})", "17 [admin]", "one role"},
      {"{" + head + R"(,"sub":"17","realm.roles":["dotted"],"realm":{"roles":["nested"]}})",
       "17 [dotted]", "a claim of that very name comes first"},
      {"{" + head + R"(,"sub":"17","realm":{"roles":["admin",1]}})",
       "!the token's realm.roles is neither a text nor a list of texts", "a role that is a number"},
      {"{" + head + R"(,"sub":"17","realm":{"roles":{"admin":true}}})",
       "!the token's realm.roles is neither a text nor a list of texts", "an object"},
      {"{" + head + R"(,"sub":"17","realm":7})", "17 []", "a path that ends early has no roles"},
      {"{" + other + R"(,"aud":["other","pgtide"]})", "17 []", "one of several audiences"},
      {"{" + other + R"(,"aud":["other"]})", "!the token is for another audience (aud)",
       "another audience"},
      {"{" + other + R"(,"aud":"pgtide2"})", "!the token is for another audience (aud)",
       "a longer name"},
      {"{" + other + R"(,"aud":["other",["pgtide"]]})", "!the token is for another audience (aud)",
       "a list in the list"},
      {"{" + other + "}", "!the token has no aud, and this server wants its own there",
       "no audience"},
      {R"({"iss":"https://id.example.com","aud":"pgtide","exp":1800000100,"sub":"17"})",
       "!the token's issuer (iss) is not the one that is accepted here", "exact, with its slash"},
      {R"({"iss":["https://id.example.com/"],"aud":"pgtide","exp":1800000100,"sub":"17"})",
       "!the token's issuer (iss) is not the one that is accepted here", "a list"},
      {R"({"aud":"pgtide","exp":1800000100,"sub":"17"})",
       "!the token has no iss, and this server wants its issuer's", "no issuer"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(verdict(checked->verify_token(secret_token(secret, row.payload), now)) == row.expected);
  }
}

TEST_CASE("auth: times hold to the second, with the leeway on both ends") {
  struct Row {
    std::string claims;
    std::string expected;
    std::string why;
  };
  const std::string no_time = " is no time in seconds since 1970";
  const Row rows[] = {
      {R"("exp":1800000001)", "17 []", "a second left"},
      {R"("exp":1799999971)", "17 []", "expired, a second within the leeway"},
      {R"("exp":1799999970)", "!the token has expired", "at the leeway's end"},
      {R"("exp":1799999969.5)", "!the token has expired", "past it"},
      {R"("exp":1799999970.5)", "17 []", "half a second within"},
      {R"("exp":1800000001,"nbf":1800000030)", "17 []", "nbf at the leeway's end"},
      {R"("exp":1800000001,"nbf":1800000031)", "!the token is not valid yet (nbf)", "past it"},
      {R"("exp":1e9)", "!the token has expired", "an exponent"},
      {R"("exp":1.8e9)", "17 []", "an exponent that is still to come"},
      {R"("exp":253402300799)", "17 []", "the year 9999"},
      {R"("exp":1e300)", "!the token's exp" + no_time, "out of all ranges"},
      {R"("exp":-1)", "!the token's exp" + no_time, "negative"},
      {R"("exp":"1800000001")", "!the token's exp" + no_time, "a text"},
      {R"("exp":null)", "!the token's exp" + no_time, "null"},
      {R"("exp":1800000001,"iat":"now")", "!the token's iat" + no_time, "an iat that is a text"},
      {R"("exp":1800000001,"nbf":true)", "!the token's nbf" + no_time, "an nbf that is true"},
      {R"("iat":1)", "!the token has no exp, and this server wants one", "no exp"},
  };
  const auto checked = authenticator(with_secret());
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const std::string payload = "{\"sub\":\"17\"," + row.claims + "}";
    CHECK(verdict(checked->verify_token(secret_token(secret, payload), now)) == row.expected);
  }
  const auto endless = authenticator(with_secret([](auto& jwt) { jwt.require_expiry = false; }));
  const auto identity = endless->verify_token(secret_token(secret, R"({"sub":"17"})"), now);
  REQUIRE(verdict(identity) == "17 []");
  CHECK(!identity->expires_at);
}

TEST_CASE(
    "auth: ten thousand wrong tokens are ten thousand refusals, and a right one still holds") {
  const auto checked = authenticator(with_secret());
  const std::string good = secret_token(secret, valid_payload);
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string token = good;
    const auto at = static_cast<std::size_t>(i * 31) % token.size();
    token[at] = token[at] == 'x' ? 'y' : 'x';
    if (!checked->verify_token(token, now)) ++refused;
  }
  CHECK(refused == 10'000);
  CHECK(verdict(checked->verify_token(good, now)) == "17 []");
}

TEST_CASE("auth: no refusal holds a byte of the credential") {
  const std::string marker = "MARKER0123456789";
  Config::Auth auth = with_secret();
  auth.api_keys = {{.name = "backend", .sha256 = std::string(64, 'a')}};
  const auto checked = authenticator(auth);
  const std::string tokens[] = {
      marker,
      marker + "." + marker + "." + marker,
      secret_token(secret, "{\"sub\":\"" + marker + "\"}"),
      secret_token(secret, "{\"exp\":\"" + marker + "\"}"),
      secret_token("wrong", "{\"sub\":\"" + marker + "\"}"),
      secret_token(secret, valid_payload, "{\"alg\":\"" + marker + "\"}"),
      secret_token(secret, valid_payload, "{\"alg\":\"HS256\",\"kid\":[\"" + marker + "\"]}"),
  };
  for (const std::string& token : tokens) {
    const auto refused = checked->verify_token(token, now);
    REQUIRE(!refused);
    CHECK(!holds(refused.error().to_string(), marker));
    CHECK(!holds(refused.error().to_string(), token));
  }
  CHECK(verdict(checked->verify_key(marker)) == "!this API key is not known here");
}

TEST_CASE("auth: an API key is known by its hash, and speaks by its name") {
  Config::Auth auth;
  // printf %s test | sha256sum
  auth.api_keys = {{.name = "other", .sha256 = std::string(64, '0')},
                   {.name = "backend",
                    .sha256 = "9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    .roles = {"admin"}}};
  const auto checked = authenticator(auth);
  CHECK(verdict(checked->verify_key("test")) == "backend [admin]");
  CHECK(checked->verify_key("test")->principal.claims == "{}");
  for (const char* wrong : {"", "tes", "test ", "Test",
                            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}) {
    CAPTURE(wrong);
    CHECK(verdict(checked->verify_key(wrong)) == "!this API key is not known here");
  }
  CHECK(verdict(authenticator({})->verify_key("test")) ==
        "!this server knows no API keys: connect without one");
  CHECK(verdict(authenticator({})->verify_token(secret_token(secret, valid_payload), now)) ==
        "!this server knows no tokens: connect without one");
}

TEST_CASE("auth: kid picks the key by its text, and is no path") {
  const Signer first("ES256");
  const Signer second("ES256");
  Folder folder;
  const std::string path = folder.write("one.pem", first.pem());
  Config::Auth auth;
  auth.jwt.algorithms = {"ES256"};
  auth.jwt.jwks_file =
      folder.write("keys.json", "{\"keys\":[" + first.jwk(R"(,"kid":"one")") + "," +
                                    second.jwk(R"(,"kid":"two","alg":"ES256","use":"sig")") + "]}");
  const auto checked = authenticator(auth);
  const auto with_kid = [](const std::string& kid) {
    return "{\"alg\":\"ES256\",\"kid\":\"" + kid + "\"}";
  };
  const std::string unknown = "!no key of this server fits the token's alg and kid";
  const auto ask = [&](const std::string& token) {
    return verdict(checked->verify_token(token, now));
  };
  CHECK(ask(first.token(with_kid("one"), valid_payload)) == "17 []");
  CHECK(ask(second.token(with_kid("two"), valid_payload)) == "17 []");
  CHECK(ask(second.token(valid_payload)) == "17 []");  // without: each is tried
  CHECK(ask(second.token(with_kid("one"), valid_payload)) == "!the token's signature is wrong");
  for (const std::string& kid :
       {path, "../.." + path, std::string("/dev/null"), std::string("ONE"), std::string(""),
        std::string("one' or '1'='1"), std::string("one\\u0000")}) {
    CAPTURE(kid);
    CHECK(ask(first.token(with_kid(kid), valid_payload)) == unknown);
  }
}

TEST_CASE("auth: a token costs four signatures at most, however many keys there are") {
  std::vector<Signer> signers;
  std::string keys;
  for (int n = 0; n < 64; ++n) {
    signers.emplace_back("ES256");
    keys += (n == 0 ? "" : ",") + signers.back().jwk(",\"kid\":\"" + std::to_string(n) + "\"");
  }
  Folder folder;
  Config::Auth auth;
  auth.jwt.algorithms = {"ES256"};
  auth.jwt.jwks_file = folder.write("keys.json", "{\"keys\":[" + keys + "]}");
  const auto checked = authenticator(auth);
  const auto cost_of = [&](const std::string& token, const std::string& expected) {
    const auto before = checked->signature_checks();
    CHECK(verdict(checked->verify_token(token, now)) == expected);
    return checked->signature_checks() - before;
  };
  const auto with_kid = [](const std::string& kid) {
    return R"({"alg":"ES256","kid":")" + kid + "\"}";
  };
  const Signer stranger("ES256");
  const std::string late =
      "!none of the first 4 keys that fit the token has signed it; there are more: name its key in "
      "the token's header (kid)";
  CHECK(cost_of(stranger.token(valid_payload), late) == 4);
  CHECK(cost_of(signers[3].token(valid_payload), "17 []") == 4);
  CHECK(cost_of(signers[4].token(valid_payload), late) == 4);
  CHECK(cost_of(signers[63].token(with_kid("63"), valid_payload), "17 []") == 1);
  CHECK(cost_of(stranger.token(with_kid("63"), valid_payload), "!the token's signature is wrong") ==
        1);
  CHECK(cost_of(stranger.token(with_kid("64"), valid_payload),
                "!no key of this server fits the token's alg and kid") == 0);
}

TEST_CASE("auth: a token that was verified is not computed again while its key is there") {
  const Signer signer("ES256");
  const Signer other("ES256");
  Folder folder;
  Config::Auth auth;
  auth.jwt.algorithms = {"ES256"};
  auth.jwt.jwks_file = folder.write("keys.json", "{\"keys\":[" + signer.jwk() + "]}");
  const auto checked = authenticator(auth);
  const std::string token = signer.token(valid_payload);
  const std::string old = signer.token(R"({"sub":"17","exp":1})");
  for (int n = 0; n < 3; ++n) {
    CHECK(verdict(checked->verify_token(token, now)) == "17 []");
    CHECK(verdict(checked->verify_token(old, now)) == "!the token has expired");
    CHECK(checked->signature_checks() == 2);
  }
  CHECK(verdict(checked->verify_token(token, now + 1h)) == "!the token has expired");
  const std::string altered = token.substr(0, token.size() - 4) + "AAAA";
  CHECK(verdict(checked->verify_token(altered, now)) == "!the token's signature is wrong");
  CHECK(checked->signature_checks() == 3);
  folder.write("keys.json", "{\"keys\":[" + other.jwk() + "]}");
  REQUIRE(checked->reload_if_changed().ok());
  CHECK(verdict(checked->verify_token(token, now)) == "!the token's signature is wrong");
}

TEST_CASE("auth: tokens that came back least recently are forgotten, half of them at a time") {
  VerifiedTokens tokens;
  const auto digest = [&](std::size_t n) { return tokens.digest_of(std::to_string(n)); };
  CHECK(digest(1) != VerifiedTokens().digest_of("1"));  // each program has a key of its own
  CHECK(!tokens.find(digest(0)));
  tokens.note(digest(0), 10);
  tokens.note(digest(1), 11);
  for (std::size_t n = 2; n < 4 * VerifiedTokens::generation_max; ++n) {
    tokens.note(digest(n), 12);
    if (n % 1'000 == 0) CHECK(tokens.find(digest(0)) == KeyPrint{10});
  }
  CHECK(!tokens.find(digest(1)));
}

TEST_CASE("auth: only signatures that are computed in vain are a waste, by what they take") {
  const Signer small("ES256"), large("ES384"), rsa("RS256"), stranger("ES256");
  const std::string keys = small.jwk() + "," + large.jwk() + "," + rsa.jwk(",\"kid\":\"r\"");
  Folder folder;
  Config::Auth auth = with_secret();
  auth.jwt.algorithms = {"HS256", "ES256", "ES384", "RS256"};
  auth.jwt.jwks_file = folder.write("keys.json", "{\"keys\":[" + keys + "]}");
  const auto checked = authenticator(auth);
  const std::string good = small.token(valid_payload), fresh = small.token(valid_payload);
  const std::string body = encode_base64url(valid_payload);
  const auto unsigned_by = [&](const std::string& header, std::size_t bytes) {
    return encode_base64url(header) + "." + body + "." +
           encode_base64url(std::string(bytes, 'x'));
  };
  CHECK(checked->verify_token(good, now).ok());
  struct {
    std::string token;
    int wasted_us;
    std::string without;  // the verdict where nothing may be computed
    const char* why;
  } const rows[] = {
      {"a.b.c", 0, "denied", "malformed"},
      {secret_token(secret, valid_payload), 0, "ok", "a secret's"},
      {secret_token(secret + "x", valid_payload), 0, "denied", "a secret's, wrong"},
      {good, 0, "ok", "known from before"},
      {fresh, 0, "unavailable", "right, but new"},
      {small.token(R"({"sub":"17","exp":1})"), 0, "unavailable", "signed, but old"},
      {stranger.token(valid_payload), 60, "unavailable", "a stranger's"},
      {unsigned_by(R"({"alg":"ES256"})", 64), 60, "unavailable", "no signature, of its size"},
      {unsigned_by(R"({"alg":"ES256"})", 63), 0, "denied", "a byte too short"},
      {unsigned_by(R"({"alg":"ES384"})", 96), 600, "unavailable", "a large curve"},
      {unsigned_by(R"({"alg":"RS256"})", 256), 25, "unavailable", "RSA"},
      {unsigned_by(R"({"alg":"RS256"})", 257), 0, "denied", "RSA, a byte too long"},
      {unsigned_by(R"({"alg":"RS256","kid":"none"})", 256), 0, "denied", "no key of ours"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Effort none{.none = true};
    const auto before = checked->signature_checks();
    const auto without = checked->verify_token(row.token, now, none);
    const bool unseen = !without && without.error().kind == ErrorKind::unavailable;
    CHECK((without ? "ok" : unseen ? "unavailable" : "denied") == row.without);
    CHECK(none.wasted.count() == 0);
    if (unseen) CHECK(checked->signature_checks() == before);
    Effort any;
    (void)checked->verify_token(row.token, now, any);
    CHECK(any.wasted.count() == row.wasted_us);
  }
}

TEST_CASE("auth: a header that holds much is refused before it is read") {
  const auto checked = authenticator(with_secret());
  std::string members, nested;
  for (int n = 0; n < 1'000; ++n) members += ",\"" + std::to_string(n) + "\":1";
  for (int n = 0; n < 1'000; ++n) nested += "[";
  for (const std::string& more : {members, ",\"x\":" + nested}) {
    const std::string token =
        secret_token(secret, valid_payload, "{\"alg\":\"HS256\"" + more + "}");
    CHECK(verdict(checked->verify_token(token, now)) == "!the token's header holds too much");
  }
  const std::string text = ",\"x\":\"" + std::string(100, ',') + "\"";
  CHECK(verdict(checked->verify_token(
            secret_token(secret, valid_payload, "{\"alg\":\"HS256\"" + text + "}"), now)) ==
        "17 []");
}

TEST_CASE("auth: keys of a set serve what they say, and what is not known is skipped") {
  const Signer signer("RS256");
  Folder folder;
  const auto with_keys = [&](const std::string& keys) {
    Config::Auth auth;
    auth.jwt.algorithms = {"RS256"};
    auth.jwt.jwks_file = folder.write("keys.json", "{\"keys\":[" + keys + "]}");
    return auth;
  };
  const auto ask = [&](const std::string& keys) {
    return verdict(authenticator(with_keys(keys))->verify_token(signer.token(valid_payload), now));
  };
  const std::string own = signer.jwk();
  CHECK(ask(own) == "17 []");
  CHECK(ask(R"({"kty":"new"},{"kty":"EC","crv":"secp256k1","x":"","y":""},)" + own) == "17 []");
  CHECK(ask(Signer("RS256").jwk() + "," + own) == "17 []");
  CHECK(ask(signer.jwk(R"(,"alg":"PS256")") + "," + Signer("RS256").jwk()) ==
        "!the token's signature is wrong");
  CHECK(holds(fault_of(with_keys(signer.jwk(R"(,"use":"enc")"))), "lists RS256, which needs"));
  CHECK(holds(fault_of(with_keys(signer.jwk(R"(,"key_ops":["encrypt"])"))), "lists RS256"));
  CHECK(holds(fault_of(with_keys(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})")), "key 1: "));
  CHECK(holds(fault_of(with_keys(own + R"(,{"kty":"EC","crv":"P-256","x":"","y":"AA"})")),
              "key 2: needs x and y"));
  CHECK(holds(fault_of(with_keys(R"({"kty":"EC","crv":"P-256","x":")" +
                                 encode_base64url(std::string(32, 'x')) + R"(","y":")" +
                                 encode_base64url(std::string(32, 'y')) + "\"}")),
              "key 1: is no"));  // not on the curve
  CHECK(holds(fault_of(with_keys(R"({"kty":"oct","k":"AAAA"})")), "too short"));
  std::string many = own;
  for (int i = 0; i < 64; ++i) many += "," + own;
  CHECK(holds(fault_of(with_keys(many)), "more than 64 keys"));
}

TEST_CASE("auth: a key set that changes is read anew; a bad one leaves the old keys") {
  const Signer before("ES256");
  const Signer after("ES256");
  Folder folder;
  Config::Auth auth;
  auth.jwt.algorithms = {"ES256"};
  auth.jwt.jwks_file = folder.write("keys.json", "{\"keys\":[" + before.jwk() + "]}");
  const auto checked = authenticator(auth);
  CHECK(checked->has_files());
  const auto known = [&](const Signer& signer) {
    return checked->verify_token(signer.token(valid_payload), now).ok();
  };
  CHECK(*checked->reload_if_changed() == false);
  CHECK((known(before) && !known(after)));

  folder.write("keys.json", "{\"keys\":[" + before.jwk() + "," + after.jwk() + "]}");
  CHECK(*checked->reload_if_changed() == true);
  CHECK((known(before) && known(after)));

  // A key that is taken out is worth nothing, though nothing takes its place, and next to others
  // that cannot be used.
  folder.write("keys.json", "{\"keys\":[]}");
  CHECK(*checked->reload_if_changed() == true);
  CHECK((!known(before) && !known(after)));
  CHECK(holds(checked->key_warnings(), "auth.jwt.algorithms: lists ES256, which needs"));
  folder.write("keys.json",
               "{\"keys\":[" + before.jwk() + R"(,{"kty":"oct","k":"AAAA"}]})");
  CHECK(*checked->reload_if_changed() == true);
  CHECK((known(before) && !known(after)));
  CHECK(holds(checked->key_warnings(), "keys.json key 2: "));
  folder.write("keys.json", "{\"keys\":[" + before.jwk() + "," + after.jwk() + "]}");
  CHECK(*checked->reload_if_changed() == true);
  CHECK((known(before) && known(after)));
  CHECK(checked->key_warnings() == "");

  folder.write("keys.json", "{\"keys\":[");
  const auto bad = checked->reload_if_changed();
  REQUIRE(!bad);
  CHECK(bad.error().kind == ErrorKind::invalid);
  CHECK(holds(bad.error().to_string(), "keys.json is no JSON object"));
  CHECK((known(before) && known(after)));
  CHECK(!checked->reload_if_changed());  // tried again
  CHECK(checked->problems() ==
        std::vector<std::string>{bad.error().to_string() +
                                 "; the old keys stay in force until it can be read"});

  std::filesystem::remove(folder.path("keys.json"));
  CHECK(holds(checked->reload_if_changed().error().to_string(), "cannot be read"));
  CHECK((known(before) && known(after)));

  folder.write("new.json", "{\"keys\":[" + after.jwk() + "]}");
  std::filesystem::rename(folder.path("new.json"), folder.path("keys.json"));
  CHECK(*checked->reload_if_changed() == true);
  CHECK(checked->problems().empty());
  CHECK((!known(before) && known(after)));
}

TEST_CASE("auth: a key set behind symbolic links is read anew when one of them leads elsewhere") {
  const Signer before("ES256");
  const Signer after("ES256");
  Folder folder;  // as Kubernetes mounts a secret
  std::filesystem::create_directory(folder.path("first"));
  std::filesystem::create_directory(folder.path("other"));
  folder.write("first/keys.json", "{\"keys\":[" + before.jwk() + "]}");
  folder.write("other/keys.json", "{\"keys\":[" + after.jwk() + "]}");
  std::filesystem::create_symlink("first", folder.path("now"));
  std::filesystem::create_symlink("now/keys.json", folder.path("keys.json"));
  Config::Auth auth;
  auth.jwt.algorithms = {"ES256"};
  auth.jwt.jwks_file = folder.path("keys.json");
  const auto checked = authenticator(auth);
  std::filesystem::create_symlink("other", folder.path("soon"));
  std::filesystem::rename(folder.path("soon"), folder.path("now"));
  CHECK(*checked->reload_if_changed() == true);
  CHECK(checked->verify_token(after.token(valid_payload), now).ok());
  CHECK(!checked->verify_token(before.token(valid_payload), now).ok());
}

TEST_CASE("auth: what is wrong with the keys is told at the start, all at once") {
  const Signer rsa("RS256");
  Folder folder;
  const auto faults = [](const std::function<void(Config::Jwt&)>& adjust) {
    Config::Auth auth;
    adjust(auth.jwt);
    return fault_of(auth);
  };
  CHECK(faults([](auto& jwt) { jwt.secret = "short"; }) ==
        "auth.jwt.secret: the secret is too short: it must have at least 32 bytes, such as those "
        "of `openssl rand -hex 32`");
  CHECK(faults([&](auto& jwt) {
          jwt.secret_file = folder.path("none");
          jwt.public_key_file = folder.path("none.pem");
          jwt.jwks_file = folder.path("none.json");
        }) == "auth.jwt.secret_file: " + folder.path("none") +
                  " cannot be read: No such file or directory\nauth.jwt.public_key_file: " +
                  folder.path("none.pem") +
                  " cannot be read: No such file or directory\nauth.jwt.jwks_file: " +
                  folder.path("none.json") + " cannot be read: No such file or directory");
  CHECK(faults([](auto& jwt) { jwt.algorithms = {"RS256"}; }) ==
        "auth.jwt.algorithms: lists RS256, which needs an RSA public key; take it out, or give the "
        "key");
  CHECK(faults([](auto& jwt) {
          jwt.algorithms = {"RS256"};
          jwt.secret = secret;
        }) == "auth.jwt.secret: is a secret, and auth.jwt.algorithms lists no algorithm for it");
  CHECK(faults([&](auto& jwt) { jwt.public_key_file = folder.write("key.pem", rsa.pem()); }) ==
        "auth.jwt.public_key_file: is an RSA public key, and auth.jwt.algorithms lists no "
        "algorithm for it");
  CHECK(holds(faults([&](auto& jwt) {
                jwt.algorithms = {"RS256"};
                jwt.public_key_file = folder.write("key.pem", rsa.private_pem());
              }),
              "holds a private key"));
  CHECK(holds(faults([&](auto& jwt) {
                jwt.algorithms = {"RS256"};
                jwt.public_key_file = folder.write("key.pem", "no key");
              }),
              "is no PEM text of a public key"));
  CHECK(holds(faults([&](auto& jwt) { jwt.jwks_file = folder.path(""); }), "is no file"));
  CHECK(faults([](auto&) {}) == "");
}

TEST_CASE("auth: a secret in a file may end with a line's end, which is not part of it") {
  Folder folder;
  Config::Auth auth;
  auth.jwt.secret_file = folder.write("secret", secret + "\n");
  const auto checked = authenticator(auth);
  CHECK(checked->verify_token(secret_token(secret, valid_payload), now).ok());
  CHECK(!checked->verify_token(secret_token(secret + "\n", valid_payload), now).ok());
}

TEST_CASE("auth: a token made for development is one that the configuration accepts") {
  Config::Auth auth = with_secret([](auto& jwt) {
    jwt.algorithms = {"RS256", "HS512"};
    jwt.issuer = "here";
    jwt.audience = "there";
    jwt.id_claim = "user.id";
    jwt.roles_claim = "user.roles";
  });
  TokenWish wish{.user = "17", .roles = {"admin"}, .now = now, .expires_at = now + 1h};
  wish.claims = {{"team", "[1,2]"}};
  const auto token = make_token(auth, wish);
  REQUIRE(token.ok());
  auth.jwt.algorithms = {"HS512"};
  const auto identity = authenticator(auth)->verify_token(*token, now);
  CHECK(verdict(identity) == "17 [admin]");
  CHECK(identity->principal.claims ==
        R"({"team":[1,2],"user":{"id":"17","roles":["admin"]},"iat":1800000000,"exp":1800003600,)"
        R"("iss":"here","aud":"there"})");
  CHECK(identity->expires_at == now + 1h);
}

TEST_CASE("auth: a token is not made where it could not be accepted") {
  const auto refusal = [](const Config::Auth& auth, const TokenWish& wish) {
    const auto made = make_token(auth, wish);
    return made ? "" : made.error().to_string();
  };
  const TokenWish wish{.user = "17", .now = now, .expires_at = now + 1h};
  CHECK(refusal({}, wish) == "auth.jwt.secret: there is no secret");
  CHECK(refusal(with_secret([](auto& jwt) { jwt.algorithms = {"RS256"}; }), wish) ==
        "auth.jwt.algorithms: lists no algorithm with a secret (HS256, HS384, HS512)");
  TokenWish endless = wish;
  endless.expires_at.reset();
  CHECK(refusal(with_secret(), endless) == "the token has no exp, and this server wants one");
  TokenWish nobody = wish;
  nobody.user.clear();
  CHECK(refusal(with_secret(), nobody) == "the token's sub is empty");
  TokenWish own = wish;
  own.claims = {{"exp", "1"}};
  CHECK(refusal(with_secret(), own) == "exp: pgtide sets this claim itself");
  TokenWish no_json = wish;
  no_json.claims = {{"team", "red"}};
  CHECK(holds(refusal(with_secret(), no_json), "team: the claim is no JSON"));
}
