#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "support/folder.hpp"
#include "support/program.hpp"

// A minute of bench/soak: two hundred subscribers who come and go, ten writers, and a PostgreSQL
// that is restarted, killed and restarted. Its figures of time are nobody's business here.
using namespace pgtide::test;

namespace {

std::map<std::string, double> figures_of(const std::string& report) {
  std::map<std::string, double> figures;
  const auto parsed = nlohmann::json::parse(report);
  for (const auto& figure : parsed.at("figures")) {
    figures.emplace(figure.at("name").get<std::string>(), figure.at("value").get<double>());
  }
  return figures;
}

}  // namespace

TEST_CASE("soak: nothing is lost, nothing comes twice, nothing grows") {
  Program soak(PGTIDE_SOAK, {"--quick", "--json", "-", "--directory", busy_directory()},
               {.environment = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}});
  const ProgramEnd end = soak.wait(std::chrono::minutes(8));
  REQUIRE_MESSAGE(end.code == 0, end.errors);
  std::map<std::string, double> figures = figures_of(end.output);
  CHECK(figures.at("restarts of PostgreSQL") >= 2);
  CHECK(figures.at("the bridge's connections to PostgreSQL made anew") >= 2);
  CHECK(figures.at("visits") > 400);
  CHECK(figures.at("events received") > 20'000);
  for (const char* none : {"lost", "repeated", "strays", "resync_required", "errors",
                           "closed by the bridge"}) {
    CAPTURE(none);
    CHECK(figures.at(none) == 0);
  }
  CHECK(figures.at("last quarter to the second") < 1.3);
  CHECK(figures.at("log tables, most") < 32);
  CHECK(figures.at("file descriptors after, without clients") <=
        figures.at("file descriptors before, without clients"));
}
