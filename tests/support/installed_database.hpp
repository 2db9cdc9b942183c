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
    if (may_copy(options, server)) {
      run(own_role_sql);
      run("select pgtide.begin_anew()");  // as the first leader does in a copied database
    } else {
      install_in(*this);
    }
  }

 private:
  // What install would do in a copy, in a tenth of the time: a capture role of its own.
  static constexpr const char* own_role_sql = R"(do $$
    declare
      was constant name := (select capture_role from pgtide.meta);
      mine constant name := 'pgtide_capture_' || (select oid from pg_database
                                                   where datname = current_database());
      f text;
    begin
      execute format('create role %I nologin noinherit', mine);
      execute format('reassign owned by %I to %I', was, mine);
      for f in select p.oid::regprocedure from pg_proc p
                where p.pronamespace = 'pgtide'::regnamespace
                  and has_function_privilege(was, p.oid, 'EXECUTE') loop
        execute format('grant execute on function %s to %I', f, mine);
      end loop;
      update pgtide.meta set capture_role = mine;
      perform pgtide.write_broadcasts();
      execute format('drop owned by %I', was);
      perform pgtide.grant_rights();
      perform pgtide.note_functions(array(
        select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname in ('pgtide', 'pgtide_api')));
    end $$)";

  static bool may_copy(const std::string& options, const PrivatePostgres& server) {
    return options.empty() && &server == &cluster();
  }
  static const Database& origin() {
    static const InstalledDatabase installed("template template1");
    return installed;
  }
};

}  // namespace pgtide::test
