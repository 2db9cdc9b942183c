#pragma once
#include <string>

struct pg_conn;

namespace pgtide::bench {

// One libpq connection. What fails gives up. One thread at a time.
class Sql {
 public:
  explicit Sql(const std::string& url);
  ~Sql();
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;

  void run(const std::string& sql);
  // The first column of the first row.
  std::string value(const std::string& sql);
  double number(const std::string& sql);

  // Waits for a notification or `milliseconds`, and takes all that are there: how many.
  unsigned take_notifications(int milliseconds);

 private:
  pg_conn* connection_;
};

}  // namespace pgtide::bench
