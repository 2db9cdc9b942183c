#pragma once
#include <string_view>
#include <vector>

namespace pgtide {

// One of the numbered files of sql/, compiled into the program.
struct SqlFile {
  std::string_view name;  // "01_schema.sql"
  std::string_view text;
};

// What `install` runs, in order. The same texts run by `psql -f`.
const std::vector<SqlFile>& sql_files();

}  // namespace pgtide
