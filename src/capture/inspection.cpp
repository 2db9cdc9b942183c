#include "capture/inspection.hpp"

#include "capture/catalog_loader.hpp"
#include "capture/connection_string.hpp"
#include "capture/fault.hpp"
#include "capture/database_session.hpp"

namespace pgtide {

Result<std::string> read_status(const std::string& url) {
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    return session.run("select pgtide.status()")[0][0].as<std::string>();
  } catch (...) {
    return current_failure();
  }
}

Result<std::shared_ptr<const Catalog>> read_catalog(
    const std::string& url, const std::vector<std::string>& listed_tables) {
  try {
    std::atomic<std::uint64_t> queries = 0;
    DatabaseSession session(make_connection_string(url), queries);
    return CatalogLoader{}.load(session, listed_tables);
  } catch (...) {
    return current_failure();
  }
}

}  // namespace pgtide
