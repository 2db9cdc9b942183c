#pragma once
#include <string>
#include <vector>

namespace pgtide {

// Who a connection speaks for. Nobody (anonymous) is the absence of a Principal.
struct Principal {
  std::string id{};  // never empty
  std::vector<std::string> roles{};
  std::string claims = "{}";  // a JSON object: all claims of the token; of an API key: none

  friend bool operator==(const Principal&, const Principal&) = default;
};

}  // namespace pgtide
