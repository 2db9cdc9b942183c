#include <doctest/doctest.h>

#include <pqxx/pqxx>

#include "capture/fault.hpp"

using namespace pgtide;

TEST_CASE("fault: what the server advises is told beside a failure that we have no mend for") {
  struct Case {
    const char* why;
    const char* said;
    const char* state;
    const char* told;
  };
  const Case cases[] = {
      {"as PostgreSQL 16 and later say it of a file that may not be longer",
       "ERROR:  could not extend file \"base/1/2\": File too large\n"
       "HINT:  Check free disk space.\n", "XX000",
       "ERROR:  could not extend file \"base/1/2\": File too large (SQLSTATE XX000); its hint: "
       "Check free disk space."},
      {"after a detail, before a context",
       "ERROR:  a\nDETAIL:  b\nHINT:  c\nCONTEXT:  d\n", "XX000",
       "ERROR:  a (SQLSTATE XX000); its hint: c"},
      {"none", "ERROR:  a\nDETAIL:  b\n", "XX000", "ERROR:  a (SQLSTATE XX000)"},
      {"with a mend of ours", "ERROR:  a\nHINT:  b\n", "53100",
       "ERROR:  a; make room on the database's disk"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    try {
      throw pqxx::sql_error(c.said, "select 1", c.state);
    } catch (const pqxx::sql_error&) {
      CHECK(current_failure().message == c.told);
    }
  }
}
