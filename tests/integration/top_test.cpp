#include <nlohmann/json.hpp>

#include "cli/top_screen.hpp"
#include "support/program.hpp"
#include "support/running_bridge.hpp"
#include "support/text.hpp"
#include "support/tokens.hpp"

// `pgtide top`: its arithmetic, and the program against a bridge.
using namespace pgtide;
using namespace pgtide::test;
using namespace std::chrono_literals;

namespace {

MetricsPage latencies(int under_1ms, int under_10ms, int all) {
  const auto bucket = [](const char* le, int count) {
    return std::string("t_bucket{le=\"") + le + "\"} " + std::to_string(count) + "\n";
  };
  return MetricsPage::parse(bucket("0.001", under_1ms) + bucket("0.01", under_10ms) +
                            bucket("+Inf", all));
}

BridgeSetup administered_blog() {
  BridgeSetup setup = blog([](Config& config) { config.auth = token_auth(); });
  setup.rules.replace(setup.rules.find("all: public"), 11, "all: \"'admin' in user.roles\"");
  return setup;
}

std::vector<std::string> top_of(const std::string& address, const std::string& token) {
  return {"top", "--once", "--interval", "300ms", "--url", "http://" + address, "--token", token};
}

}  // namespace

TEST_CASE("top: a page of metrics is read, and what is no sample is left out") {
  const MetricsPage page = MetricsPage::parse(
      "# HELP a b\n# TYPE a counter\na 3\nb{code=\"x y\"} 1.5\nb{code=\"z\"} 2\nnonsense\n{\" 1\n");
  CHECK(page.value("a") == 3);
  CHECK(page.value("nonsense") == 0);
  CHECK(page.labelled("b") == std::map<std::string, double>{{"x y", 1.5}, {"z", 2}});
  CHECK(page.labelled("a").empty());
}

TEST_CASE("top: counts are those between two looks, and a bridge that began anew counts from 0") {
  const MetricsPage before = MetricsPage::parse("a 100\n"), now = MetricsPage::parse("a 130\n");
  CHECK(growth(before, now, "a") == 30);
  CHECK(growth(now, MetricsPage::parse("a 7\n"), "a") == 7);
  CHECK(growth(before, now, "none") == 0);
}

TEST_CASE("top: quantiles are of what came between two looks") {
  const MetricsPage before = latencies(1'000, 1'000, 1'000);
  CHECK(quantile(before, before, "t", 0.5) == std::nullopt);
  CHECK(quantile(before, latencies(1'010, 1'020, 1'020), "t", 0.5) == doctest::Approx(0.001));
  CHECK(quantile(before, latencies(1'000, 1'010, 1'010), "t", 0.5) == doctest::Approx(0.0055));
  CHECK(quantile(before, latencies(1'000, 1'000, 1'010), "t", 0.99) == doctest::Approx(0.01));
}

TEST_CASE("top: a screen shows rates, the busiest collection and who is slow") {
  RunningBridge bridge(administered_blog());
  Subscriber reader(bridge.address(), "/realtime/subscribe", {bearer(token_of("reader"))});
  reader.subscribe({"comments.*"});
  Program top(PGTIDE_PROGRAM, top_of(bridge.address(), token_of("root", {"admin"})));
  for (int n = 0; top.running(); ++n) {
    bridge.run("insert into comments select " + std::to_string(n) +
               ", i::text, 'x' from generate_series(1, 10) i");
  }
  const ProgramEnd end = top.wait();
  CAPTURE(end.output);
  CHECK(end.code == 0);
  CHECK(end.errors == "");
  for (const char* part : {"connected, leads; lag", "1 connections (+0/s, -0/s), 1 subscriptions",
                           "COLLECTION", "comments  ", "SLOWEST CLIENTS", "reader", "comments.*"}) {
    CAPTURE(part);
    CHECK(holds(end.output, part));
  }
  CHECK(holds(end.output, reader.id()));
  CHECK(!holds(end.output, "events     0/s"));
  CHECK(!holds(end.output, "p50 -,"));
  CHECK(!holds(end.output, "\x1b"));  // no terminal, no control
}

TEST_CASE("top: who may not look, or looks where nobody is, is told what to do") {
  RunningBridge bridge(administered_blog());
  const ProgramEnd nobody = run_program(top_of("127.0.0.1:1", "x"));
  CHECK(nobody.code == 1);
  CHECK(holds(nobody.errors, "no bridge answers there; --url"));
  const ProgramEnd stranger = run_program(top_of(bridge.address(), token_of("17")));
  CHECK(stranger.code == 1);
  CHECK(holds(stranger.errors, "`all` in the rules file says"));
  const ProgramEnd wrong = run_program(top_of(bridge.address(), "no.token.here"));
  CHECK(wrong.code == 1);
  CHECK(holds(wrong.errors, "give a token with --token or PGTIDE_TOKEN"));
  CHECK(run_program({"top", "--interval", "soon"}).code == 2);
}
