#pragma once
#include <doctest/doctest.h>

#include <string>

#include "capture/schema.hpp"
#include "support/database.hpp"

namespace pgtide::test {

inline void install_in(const Database& database, const InstallOptions& options = {}) {
  const Result<void> done = install(database.url(), options);
  if (!done) FAIL(done.error().to_string());
}

// A fresh database with pgtide in it and nothing else. In the executable's own cluster, and where
// nothing special is asked for, it is copied from one that was installed once: sooner done.
class InstalledDatabase : public Database {
 public:
  explicit InstalledDatabase(const std::string& options = "", PrivatePostgres& server = cluster())
      : Database(may_copy(options, server) ? "template " + origin().name() : options, server) {
    if (may_copy(options, server))
      run("select pgtide.begin_anew()");  // as the first leader does in a copied database
    else
      install_in(*this);
  }

 private:
  static bool may_copy(const std::string& options, const PrivatePostgres& server) {
    return options.empty() && &server == &cluster();
  }
  static const Database& origin() {
    static const InstalledDatabase installed("template template1");
    return installed;
  }
};

}  // namespace pgtide::test
