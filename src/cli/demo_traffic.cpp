#include "cli/demo_traffic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace pgtide {
namespace {

constexpr double dwell_seconds = 1.6;
constexpr int seats = 120;

constexpr std::array<std::string_view, 12> titles = {"Low tide at the West Pier tonight",
                                                     "Line 2 runs late, bring a book",
                                                     "Found: one umbrella, yellow",
                                                     "The museum is free on Sundays",
                                                     "Who feeds the harbour seals?",
                                                     "A map of every bench in town",
                                                     "Tram bells, ranked",
                                                     "The ferry captain waved back",
                                                     "New bakery at Old Square",
                                                     "Night buses: a love letter",
                                                     "Fog again at the lighthouse",
                                                     "How the gasworks became a park"};
// By their ids, from 1.
constexpr std::array<std::string_view, 8> authors = {"Ada",  "Grace",   "Edsger",  "Barbara",
                                                     "Tony", "Frances", "Niklaus", "Radia"};
constexpr std::array<std::string_view, 10> remarks = {"Saw it too!",
                                                      "Worth the walk.",
                                                      "Not on a Monday, though.",
                                                      "Take the number 4.",
                                                      "My grandmother built that.",
                                                      "Pictures, please.",
                                                      "It was closed when I came.",
                                                      "Best seen from the ferry.",
                                                      "Seconded.",
                                                      "There is a bench for that."};

int roll(std::mt19937& chance, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(chance);
}

template <class Texts>
std::string pick(const Texts& texts, std::mt19937& chance) {
  return std::string(texts[static_cast<std::size_t>(roll(chance, 0, int(texts.size()) - 1))]);
}

std::string decimal(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", number);
  return text;
}

void change_passengers(Vehicle& vehicle, std::mt19937& chance) {
  vehicle.passengers = std::clamp(vehicle.passengers + roll(chance, -14, 15), 0, seats);
}

std::vector<std::string> columns_of(const Vehicle& vehicle) {
  const Line& line = town_lines()[vehicle.line];
  const Place place = place_on(line, vehicle.travelled);
  return {vehicle.id,
          std::string(line.name),
          decimal(place.x),
          decimal(place.y),
          decimal(place.heading),
          std::to_string(vehicle.passengers),
          std::string(place.next_stop),
          vehicle.dwell > 0 ? "boarding" : "moving"};
}

}  // namespace

std::vector<Vehicle> make_fleet(std::mt19937& chance) {
  std::vector<Vehicle> fleet;
  for (std::size_t index = 0; index < town_lines().size(); ++index) {
    const Line& line = town_lines()[index];
    for (std::size_t number = 0; number < line.vehicles; ++number) {
      Vehicle vehicle;
      vehicle.id =
          std::string(line.kind) + " " + std::string(line.name) + "-0" + std::to_string(number + 1);
      vehicle.line = index;
      vehicle.travelled = round_length(line) * double(number) / double(line.vehicles);
      vehicle.passengers = roll(chance, 5, 60);
      fleet.push_back(std::move(vehicle));
    }
  }
  return fleet;
}

bool advance(Vehicle& vehicle, double seconds, std::mt19937& chance) {
  if (vehicle.dwell > seconds) {
    vehicle.dwell -= seconds;
    return false;
  }
  const Line& line = town_lines()[vehicle.line];
  const double way = line.speed * (seconds - vehicle.dwell);
  const double to_stop = place_on(line, vehicle.travelled).to_next_stop;
  vehicle.dwell = 0;
  vehicle.travelled += std::min(way, to_stop);
  if (way >= to_stop) {
    vehicle.dwell = dwell_seconds;
    change_passengers(vehicle, chance);
  }
  vehicle.travelled = std::fmod(vehicle.travelled, round_length(line));
  return true;
}

Statement to_update(const Vehicle& vehicle) {
  return {
      "update vehicles set line = $2, x = $3, y = $4, heading = $5, passengers = $6, "
      "next_stop = $7, status = $8 where id = $1",
      columns_of(vehicle)};
}

Statement to_insert(const Vehicle& vehicle) {
  return {
      "insert into vehicles (id, line, x, y, heading, passengers, next_stop, status) "
      "values ($1, $2, $3, $4, $5, $6, $7, $8)",
      columns_of(vehicle)};
}

// Of the first two authors, whom the page knows.
Statement make_draft(std::mt19937& chance) {
  const int author = roll(chance, 1, 2);
  return {
      "insert into posts (title, author_id, author, draft) values ($1, $2, $3, true)",
      {pick(titles, chance), std::to_string(author), std::string(authors[author == 1 ? 0 : 1])}};
}

Statement make_post(std::mt19937& chance) {
  const int author = roll(chance, 1, static_cast<int>(authors.size()));
  return {"insert into posts (title, author_id, author) values ($1, $2, $3)",
          {pick(titles, chance), std::to_string(author),
           std::string(authors[static_cast<std::size_t>(author - 1)])}};
}

// Each of the two authors keeps one draft at least; there are fewer new ones than are published.
Statement make_post_chatter(int dice, std::mt19937& chance) {
  if (dice < 26)
    return {
        "update posts set likes = likes + 1 where id = "
        "(select id from posts where not draft order by random() limit 1)",
        {}};
  if (dice < 38)
    return {
        "update posts set title = $1 where id = "
        "(select id from posts where draft order by random() limit 1)",
        {pick(titles, chance)}};
  if (dice < 46) return make_draft(chance);
  if (dice < 55)
    return {
        "update posts set draft = false where id = (select min(id) from posts where draft "
        "group by author_id having count(*) > 1 order by 1 limit 1)",
        {}};
  if (dice < 60) return make_post(chance);
  return {
      "delete from posts where id in "
      "(select id from posts where not draft order by id desc offset 12)",
      {}};
}

Statement make_chatter(std::mt19937& chance) {
  const int dice = roll(chance, 0, 99);
  if (dice < 65) return make_post_chatter(dice, chance);
  if (dice < 85)
    return {
        "insert into comments (post_id, author, email, body) "
        "select id, $1, lower($1) || '@example.com', $2 from posts where not draft "
        "order by random() limit 1",
        {pick(authors, chance), pick(remarks, chance)}};
  if (dice < 95)
    return {
        "update comments set body = $1, edited = true where id = "
        "(select id from comments order by random() limit 1)",
        {pick(remarks, chance)}};
  return {
      "delete from comments where id in "
      "(select id from comments order by id desc offset 20)",
      {}};
}

std::string sample_tables_sql() {
  return R"(
create table posts (
  id bigint generated always as identity primary key,
  title text not null,
  author_id int not null,
  author text not null,
  draft boolean not null default false,
  likes int not null default 0,
  created_at timestamptz not null default date_trunc('seconds', now())
);
create table comments (
  id bigint generated always as identity primary key,
  post_id bigint not null references posts on delete cascade,
  author text not null,
  email text not null,
  body text not null,
  edited boolean not null default false
);
create index on comments (post_id);
create table vehicles (
  id text primary key,
  line text not null,
  x double precision not null,
  y double precision not null,
  heading real not null,
  passengers int not null,
  next_stop text not null,
  status text not null
);
insert into posts (title, author_id, author, likes) values
  ('Low tide at the West Pier tonight', 1, 'Ada', 3),
  ('The museum is free on Sundays', 2, 'Grace', 8), ('Tram bells, ranked', 3, 'Edsger', 21),
  ('New bakery at Old Square', 4, 'Barbara', 5), ('Fog again at the lighthouse', 5, 'Tony', 2),
  ('Who feeds the harbour seals?', 8, 'Radia', 13);
insert into posts (title, author_id, author, draft) values
  ('A map of every bench in town', 1, 'Ada', true),
  ('How the gasworks became a park', 2, 'Grace', true);
insert into comments (post_id, author, email, body) values
  (1, 'Frances', 'frances@example.com', 'Saw it too!'),
  (2, 'Niklaus', 'niklaus@example.com', 'Worth the walk.'),
  (3, 'Radia', 'radia@example.com', 'There is a bench for that.'),
  (4, 'Ada', 'ada@example.com', 'Take the number 4.');
)";
}

}  // namespace pgtide
