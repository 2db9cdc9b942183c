#pragma once
#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/metrics_page.hpp"

namespace pgtide {

// One look at a bridge.
struct TopSample {
  MetricsPage metrics{};
  std::chrono::steady_clock::time_point taken_at{};
};

// A screen of `pgtide top`: what happened between two looks, and who is slow now. `slowest`: the
// array of GET /realtime/connections?order=backlog. Lines as for a terminal of any width.
std::string make_top_screen(const std::string& url, const TopSample& before, const TopSample& now,
                            const nlohmann::json& slowest);

}  // namespace pgtide
