#include "cli/demo_city.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

namespace pgtide {
namespace {

double distance(const Stop& a, const Stop& b) {
  return std::hypot(b.x - a.x, b.y - a.y);
}

// The corners of one whole round: a loop's end joins its start, another line comes back.
std::size_t legs(const Line& line) {
  return line.loop ? line.stops.size() : 2 * (line.stops.size() - 1);
}

const Stop& corner(const Line& line, std::size_t index) {
  const std::size_t count = line.stops.size();
  const std::size_t at = index % legs(line);
  return line.stops[at < count ? at : 2 * (count - 1) - at];
}

Line tram_1() {
  return {"1",
          "tram",
          true,
          52,
          6,
          {{180, 80, "Northgate"},
           {500, 80, "Academy"},
           {840, 80, "Observatory"},
           {880, 120, ""},
           {880, 240, "Harbour"},
           {880, 450, ""},
           {840, 490, "Gasworks"},
           {500, 490, "South Market"},
           {180, 490, "Tannery"},
           {140, 450, ""},
           {140, 240, "Westgate"},
           {140, 120, ""}}};
}

Line tram_2() {
  return {"2",
          "tram",
          false,
          48,
          5,
          {{40, 240, "Orchard"},
           {140, 240, "Westgate"},
           {300, 240, ""},
           {380, 160, "Museum"},
           {500, 160, "Old Square"},
           {620, 160, ""},
           {700, 240, "Central"},
           {880, 240, "Harbour"},
           {965, 240, "Lighthouse"}}};
}

Line bus_3() {
  return {"3",
          "bus",
          false,
          40,
          4,
          {{500, 28, "Hilltop"},
           {500, 80, "Academy"},
           {500, 160, "Old Square"},
           {500, 260, ""},
           {440, 320, ""},
           {440, 430, "South Quay"},
           {500, 490, "South Market"},
           {500, 536, "Depot"}}};
}

Line bus_4() {
  return {"4",
          "bus",
          false,
          38,
          3,
          {{50, 530, "Mill Pond"},
           {260, 320, "Rope Walk"},
           {260, 180, "Garden"},
           {340, 100, ""},
           {340, 28, "Terrace"}}};
}

Line bus_5() {
  return {"5",
          "bus",
          false,
          40,
          4,
          {{700, 28, "Stadium"},
           {700, 240, "Central"},
           {700, 330, ""},
           {780, 410, ""},
           {780, 490, "Docks"},
           {780, 536, "Shipyard"}}};
}

Line ferry() {
  return {"F",
          "ferry",
          false,
          22,
          2,
          {{71, 402, "West Pier"},
           {146, 375, ""},
           {210, 348, ""},
           {273, 327, ""},
           {340, 318, ""},
           {410, 330, ""},
           {478, 357, "Quay Pier"},
           {547, 388, ""},
           {620, 413, ""},
           {700, 420, ""},
           {776, 407, "Docks Pier"},
           {839, 385, ""},
           {896, 363, ""},
           {954, 349, "Sea Gate"}}};
}

}  // namespace

const std::vector<Line>& town_lines() {
  static const std::vector<Line> lines = {tram_1(), tram_2(), bus_3(), bus_4(), bus_5(), ferry()};
  return lines;
}

double round_length(const Line& line) {
  double length = 0;
  for (std::size_t leg = 0; leg < legs(line); ++leg)
    length += distance(corner(line, leg), corner(line, leg + 1));
  return length;
}

Place place_on(const Line& line, double travelled) {
  double rest = std::fmod(travelled, round_length(line));
  std::size_t leg = 0;
  while (leg + 1 < legs(line) && rest >= distance(corner(line, leg), corner(line, leg + 1))) {
    rest -= distance(corner(line, leg), corner(line, leg + 1));
    ++leg;
  }
  const Stop& from = corner(line, leg);
  const Stop& to = corner(line, leg + 1);
  const double part = rest / distance(from, to);

  Place place;
  place.x = from.x + (to.x - from.x) * part;
  place.y = from.y + (to.y - from.y) * part;
  place.heading = std::atan2(to.y - from.y, to.x - from.x) * 180 / std::numbers::pi;
  place.to_next_stop = distance(from, to) - rest;
  std::size_t next = leg + 1;
  while (corner(line, next).name.empty()) {
    place.to_next_stop += distance(corner(line, next), corner(line, next + 1));
    ++next;
  }
  place.next_stop = corner(line, next).name;
  return place;
}

std::string town_json() {
  nlohmann::json town = nlohmann::json::array();
  for (const Line& line : town_lines()) {
    nlohmann::json stops = nlohmann::json::array();
    for (const Stop& stop : line.stops) stops.push_back({stop.x, stop.y, stop.name});
    town.push_back(
        {{"name", line.name}, {"kind", line.kind}, {"loop", line.loop}, {"stops", stops}});
  }
  return town.dump();
}

}  // namespace pgtide
