#pragma once
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "cli/demo_city.hpp"

namespace pgtide {

// One vehicle of the demo's town and its journey. Pure: time and chance are arguments.
struct Vehicle {
  std::string id;  // "tram 1-03"
  std::size_t line = 0;
  double travelled = 0;  // map units
  double dwell = 0;      // seconds that it still stands at its stop
  int passengers = 0;
};

// All vehicles, evenly spread over their lines.
std::vector<Vehicle> make_fleet(std::mt19937& chance);

// Moves it on. It halts at each stop for a moment, where passengers change.
// False when it stood still all the time: nothing about it is new then.
bool advance(Vehicle& vehicle, double seconds, std::mt19937& chance);

// One statement, as an application would run it, with its text parameters.
struct Statement {
  std::string sql;
  std::vector<std::string> parameters;
};

Statement to_update(const Vehicle& vehicle);
Statement to_insert(const Vehicle& vehicle);

// What people do to posts and comments: a random one of writing, liking, editing and deleting.
Statement make_chatter(std::mt19937& chance);

// The tables' definitions and the first posts and comments; the vehicles are not in it.
std::string sample_tables_sql();

}  // namespace pgtide
