#pragma once
#include <memory>
#include <string>
#include <vector>

#include "model/catalog.hpp"
#include "pgtide/result.hpp"

// A look at a database from outside the stream, for `status` and `check`. Each makes a connection
// of its own, writes nothing, blocks. Errors: unavailable, denied (names the GRANT), not_found (no
// pgtide there; says what to run).
namespace pgtide {

// What pgtide.status() says, as JSON text (sql/06_look.sql).
Result<std::string> read_status(const std::string& url);

// What is watched, and which of `listed_tables` ("schema.table") exist and are not.
Result<std::shared_ptr<const Catalog>> read_catalog(const std::string& url,
                                                    const std::vector<std::string>& listed_tables);

}  // namespace pgtide
