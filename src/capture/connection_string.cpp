#include "capture/connection_string.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <map>
#include <memory>

#include "capture/fault.hpp"

namespace pgtide {
namespace {

// libpq, 34.1.2. The kernel's own limits are hours.
const std::map<std::string, std::string> defaults = {
    {"application_name", "pgtide"},  {"connect_timeout", "5"},    {"keepalives", "1"},
    {"keepalives_idle", "5"},        {"keepalives_interval", "3"}, {"keepalives_count", "3"},
    {"tcp_user_timeout", "15000"},
};

std::string escaped(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// Without libpq's "invalid ..." text a wrong URL would be shown with its password.
std::map<std::string, std::string> parse(const std::string& url) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(url.c_str(), &message), &PQconninfoFree);
  if (!options) {
    PQfreemem(message);
    throw CaptureFault(ErrorKind::invalid,
                       "database.url is neither a postgresql:// URL nor a key=value string");
  }
  std::map<std::string, std::string> settings;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) settings[option->keyword] = option->val;
  return settings;
}

}  // namespace

std::string make_connection_string(const std::string& url) {
  std::string source = url;
  if (source.empty())
    if (const char* variable = std::getenv("DATABASE_URL")) source = variable;
  std::map<std::string, std::string> settings = parse(source);
  for (const auto& [key, value] : defaults) settings.emplace(key, value);
  // PGAPPNAME and the like would lose to our defaults, but nothing else is shadowed by them.
  std::string text;
  for (const auto& [key, value] : settings) text += key + "=" + escaped(value) + " ";
  return text;
}

}  // namespace pgtide
