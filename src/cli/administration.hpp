#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/commands.hpp"
#include "pgtide/config.hpp"
#include "pgtide/result.hpp"

namespace pgtide {

// A bridge's HTTP for operators, asked with the caller's credential, as `connections`, `kick` and
// `top` do. Blocking. Errors: denied (what to do is in the message), not_found, unavailable (nobody
// answers there), internal (not a bridge's answer).
class Administration {
 public:
  Administration(const Config& config, const BridgeAccess& access);

  // `target`: a path and its query. An answer that is no JSON object is an error.
  Result<nlohmann::json> ask(const std::string& method, const std::string& target) const;
  Result<std::string> metrics() const;
  const std::string& url() const { return url_; }

 private:
  Result<std::string> request(const std::string& method, const std::string& target) const;

  std::string url_;  // without a path
  std::string token_;
};

// For a member of a query or a part of a path.
std::string percent_encoded(const std::string& text);

// Prints the fault and returns the exit code that goes with it.
int report_refusal(const Error& error);

}  // namespace pgtide
