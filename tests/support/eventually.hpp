#pragma once
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace pgtide::test {

using namespace std::chrono_literals;

// Waiting for a condition, which is what tests do instead of sleeping: asked at once, then every
// few milliseconds. The limit only decides how long a failure takes, so it is generous: a test that
// passes never waits longer than it must.

// True as soon as `holds()` is; false when it still isn't after `limit`.
template <class Predicate>
bool becomes_true(Predicate&& holds, std::chrono::milliseconds limit = 20s) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// Fails the test, with what `last_seen` says then, when `holds()` is not true within `limit`.
template <class Predicate>
void eventually(Predicate&& holds, std::chrono::milliseconds limit = 20s,
                const std::function<std::string()>& last_seen = {}) {
  if (becomes_true(holds, limit)) return;
  FAIL("not within ", limit.count(),
       " ms; last seen: ", last_seen ? last_seen() : std::string("a predicate that is false"));
}

// Fails the test when what `read()` returns does not become equal to `expected` within `limit`.
template <class Read, class Expected>
void eventually_equals(Read&& read, const Expected& expected,
                       std::chrono::milliseconds limit = 20s) {
  auto seen = read();
  const auto holds = [&] { return seen == expected || (seen = read()) == expected; };
  if (becomes_true(holds, limit)) return;
  FAIL("not within ", limit.count(), " ms; expected: ", doctest::toString(expected),
       "; last seen: ", doctest::toString(seen));
}

}  // namespace pgtide::test
