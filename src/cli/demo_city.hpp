#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pgtide {

// The demo's town: lines that trams, buses and ferries run on, on a map of 1000 by 560 units whose
// y grows downwards, and where on them a vehicle is. Pure values; the page draws the same lines.

constexpr double map_width = 1000;
constexpr double map_height = 560;

// A corner of a line; a name makes it a stop.
struct Stop {
  double x = 0;
  double y = 0;
  std::string_view name;
};

struct Line {
  std::string_view name;  // "2", as it stands on the vehicle
  std::string_view kind;  // tram, bus or ferry
  bool loop = false;      // closed; others are run to the end and back
  double speed = 0;       // map units per second
  std::size_t vehicles = 0;
  std::vector<Stop> stops;
};

const std::vector<Line>& town_lines();

// How far it is once around a loop, or to the end of another line and back.
double round_length(const Line& line);

struct Place {
  double x = 0;
  double y = 0;
  double heading = 0;          // degrees clockwise from east
  std::string_view next_stop;  // the next with a name
  double to_next_stop = 0;     // map units
};

// Where a vehicle is that has travelled so far from the line's first stop; any number >= 0.
Place place_on(const Line& line, double travelled);

// The lines as the page reads them: [{"name","kind","loop","stops":[[x,y,name],...]},...].
std::string town_json();

}  // namespace pgtide
