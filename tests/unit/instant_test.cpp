#include <doctest/doctest.h>

#include "rules/instant.hpp"
#include "unit/random_expression.hpp"

using namespace pgtide;

TEST_CASE("instant: what PostgreSQL and RFC 3339 print is read, and printed in UTC") {
  struct {
    std::string text, expected, why;
  } const rows[] = {
      {"2026-11-23T10:15:30.123456+00:00", "2026-11-23T10:15:30.123456Z", "timestamptz in JSON"},
      {"2026-11-23T10:15:30Z", "2026-11-23T10:15:30Z", "RFC 3339"},
      {"2026-11-23t10:15:30z", "2026-11-23T10:15:30Z", "in small letters"},
      {"2026-11-23 10:15:30+00", "2026-11-23T10:15:30Z", "a space, a short zone"},
      {"2026-11-23T10:15:30+02:00", "2026-11-23T08:15:30Z", "east"},
      {"2026-11-23T23:15:30-0230", "2026-11-24T01:45:30Z", "west, over midnight"},
      {"1890-01-01T00:53:28+00:53:28", "1890-01-01T00:00:00Z", "an offset with seconds"},
      {"2026-11-23T10:15", "2026-11-23T10:15:00Z", "no seconds, no zone"},
      {"2026-11-23", "2026-11-23T00:00:00Z", "a date"},
      {"2026-11-23T10:15:30.5", "2026-11-23T10:15:30.5Z", "a fraction"},
      {"2026-11-23T10:15:30.1234567899Z", "2026-11-23T10:15:30.123456Z", "cut off"},
      {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "a leap second is the next"},
      {"0044-03-15T10:00:00+00:00 BC", "0044-03-15T10:00:00Z BC", "before our era"},
      {"0044-03-15 BC", "0044-03-15T00:00:00Z BC", "a date before our era"},
      {"0001-02-29 BC", "0001-02-29T00:00:00Z BC", "1 BC was a leap year"},
      {"0000-01-01", "0001-01-01T00:00:00Z BC", "year 0 of ISO 8601"},
      {"12026-01-01T00:00:00+00:00", "12026-01-01T00:00:00Z", "five digits"},
      {"294247-01-10T04:00:54.775806Z", "294247-01-10T04:00:54.775806Z", "the last"},
      {"290309-12-21T19:59:06Z BC", "290309-12-21T19:59:06Z BC", "the first whole second"},
      {"infinity", "infinity", "forever"},
      {"-infinity", "-infinity", "always"},
      {"294247-01-10T04:00:54.775807Z", "none", "past the last"},
      {"5874897-12-31", "none", "the last date has no microseconds"},
      {"2026-02-29", "none", "no leap year"},
      {"1900-02-29", "none", "nor this"},
      {"2026-13-01", "none", "no such month"},
      {"2026-00-01", "none", "no such month"},
      {"2026-01-00", "none", "no such day"},
      {"2026-04-31", "none", "no such day"},
      {"2026-11-23T24:00:00Z", "none", "no such hour"},
      {"2026-11-23T10:60:00Z", "none", "no such minute"},
      {"2026-11-23T10:00:61Z", "none", "no such second"},
      {"2026-11-23T10Z", "none", "no minutes"},
      {"2026-11-23T10:15:30.Z", "none", "no fraction"},
      {"2026-11-23T10:15:30+1", "none", "half a zone"},
      {"2026-11-23T10:15:30Zulu", "none", "something after"},
      {"2026-11-23T", "none", "no time"},
      {"2026-11-23 ", "none", "a space after"},
      {"26-11-23", "none", "a short year"},
      {"20261123", "none", "no dashes"},
      {"0000-01-01 BC", "none", "there is no year 0 BC"},
      {"", "none", "empty"},
  };
  for (const auto& row : rows) {
    INFO(row.why, ": ", row.text);
    const auto instant = parse_instant(row.text);
    CHECK((instant ? print_instant(*instant) : "none") == row.expected);
  }
}

TEST_CASE("instant: they count as the standard library's calendar does") {
  test::naive::Dice dice(11);
  for (int n = 0; n < 2'000; ++n) {
    // From 1600 to 2540, at any microsecond.
    const auto high = static_cast<long long>(dice.below(300'000)),
               low = static_cast<long long>(dice.below(100'000));
    const long long at = (high - 117'000) * 100'000'000'000 + low * 1'000'000 + low;
    const std::string shown = test::naive::show_moment(at);
    CHECK(print_instant(at) == shown);
    CHECK(parse_instant(shown) == at);
  }
}
