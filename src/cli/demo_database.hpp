#pragma once
#include <memory>
#include <string>
#include <vector>

#include "pgtide/result.hpp"

struct pg_conn;
struct pg_result;

namespace pgtide {

// A libpq connection as the demo needs it: statements with text parameters, one thread at a time.
// (The gateway to PostgreSQL proper is the capture floor; this one only plays an application.)
class DemoDatabase {
 public:
  using Rows = std::vector<std::vector<std::string>>;  // NULL is the empty string

  // Error: unavailable, with libpq's message.
  static Result<DemoDatabase> connect(const std::string& url);

  // Several statements separated by semicolons, when there are no parameters, are one transaction.
  // Errors: unavailable (the connection is lost: drop this object), denied (42501), conflict
  // (42P07, a table exists), internal.
  Result<Rows> run(const std::string& sql, const std::vector<std::string>& parameters = {});

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Finish> connection_;
};

}  // namespace pgtide
