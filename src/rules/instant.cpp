#include "rules/instant.hpp"

#include <array>

namespace pgtide {
namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t day_seconds = 86'400;

// Reads fixed and variable fields from the front of a text; `good` ends at the first misfit.
struct FieldReader {
  std::string_view rest;
  bool good = true;

  bool take(char symbol) {
    if (!rest.starts_with(symbol)) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char symbol) { good = take(symbol) && good; }
  bool at_digit() const { return !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; }
  // Between `least` and `most` digits, as a number up to `value_max`.
  std::int64_t number(int least, int most, std::int64_t value_max) {
    std::int64_t value = 0;
    int count = 0;
    for (; count < most && at_digit(); ++count, rest.remove_prefix(1)) {
      value = value * 10 + (rest[0] - '0');
    }
    if (count < least || value > value_max) good = false;
    return value;
  }
};

bool is_leap(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

std::int64_t days_of_month(std::int64_t year, std::int64_t month) {
  constexpr std::array<std::int64_t, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days.at(static_cast<std::size_t>(month - 1)) + (month == 2 && is_leap(year) ? 1 : 0);
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Days before January 1st of `year`, counted from that of year 0.
std::int64_t days_before_year(std::int64_t year) {
  const std::int64_t past = year - 1;
  return year * 365 + floor_div(past, 4) - floor_div(past, 100) + floor_div(past, 400) + 1;
}

constexpr std::int64_t epoch_days = 719'528;  // from January 1st of year 0 to that of 1970

std::int64_t days_since_epoch(std::int64_t year, std::int64_t month, std::int64_t day) {
  std::int64_t days = days_before_year(year) - epoch_days + day - 1;
  for (std::int64_t m = 1; m < month; ++m) days += days_of_month(year, m);
  return days;
}

struct CivilDate {
  std::int64_t year = 0, month = 1, day = 1;
};

CivilDate civil_date(std::int64_t days) {
  const std::int64_t count = days + epoch_days;
  std::int64_t year = floor_div(count * 400, 146'097);  // near, maybe one off
  while (days_before_year(year) > count) --year;
  while (days_before_year(year + 1) <= count) ++year;
  CivilDate date{year, 1, count - days_before_year(year) + 1};
  while (date.day > days_of_month(year, date.month)) {
    date.day -= days_of_month(year, date.month++);
  }
  return date;
}

struct Clock {
  std::int64_t seconds = 0, microseconds = 0;
};

Clock read_clock(FieldReader& reader) {
  Clock clock;
  clock.seconds = reader.number(2, 2, 23) * 3600;
  reader.expect(':');
  clock.seconds += reader.number(2, 2, 59) * 60;
  if (!reader.take(':')) return clock;
  clock.seconds += reader.number(2, 2, 60);
  if (!reader.take('.')) return clock;
  if (!reader.at_digit()) reader.good = false;
  for (std::int64_t unit = second_us / 10; reader.at_digit(); unit /= 10) {
    clock.microseconds += unit * reader.number(1, 1, 9);
  }
  return clock;
}

// Seconds east of UTC. None stands for UTC.
std::int64_t read_zone(FieldReader& reader) {
  if (reader.take('Z') || reader.take('z')) return 0;
  const bool west = reader.take('-');
  if (!west && !reader.take('+')) return 0;
  std::int64_t offset = reader.number(2, 2, 23) * 3600;
  if (reader.take(':') || reader.at_digit()) offset += reader.number(2, 2, 59) * 60;
  if (reader.take(':')) offset += reader.number(2, 2, 59);
  return west ? -offset : offset;
}

void append_padded(std::string& out, std::int64_t value, std::size_t width) {
  const std::string digits = std::to_string(value);
  if (digits.size() < width) out.append(width - digits.size(), '0');
  out += digits;
}

std::optional<std::int64_t> to_instant(std::int64_t seconds, std::int64_t microseconds) {
  std::int64_t instant = 0;
  if (__builtin_mul_overflow(seconds, second_us, &instant)) return std::nullopt;
  if (__builtin_add_overflow(instant, microseconds, &instant)) return std::nullopt;
  if (instant == instant_infinity || instant == instant_minus_infinity) return std::nullopt;
  return instant;
}

void append_clock(std::string& out, std::int64_t of_day) {
  append_padded(out, of_day / (3600 * second_us), 2);
  out += ':';
  append_padded(out, of_day / (60 * second_us) % 60, 2);
  out += ':';
  append_padded(out, of_day / second_us % 60, 2);
  if (of_day % second_us == 0) return;
  out += '.';
  append_padded(out, of_day % second_us, 6);
  while (out.back() == '0') out.pop_back();
}

}  // namespace

std::optional<std::int64_t> parse_instant(std::string_view text) {
  if (text == "infinity") return instant_infinity;
  if (text == "-infinity") return instant_minus_infinity;
  FieldReader reader{text};
  std::int64_t year = reader.number(4, 7, 9'999'999);
  reader.expect('-');
  const std::int64_t month = reader.number(2, 2, 12);
  reader.expect('-');
  const std::int64_t day = reader.number(2, 2, 31);
  Clock clock;
  std::int64_t zone = 0;
  const bool bc_follows = reader.rest.starts_with(" BC");
  if (reader.take('T') || reader.take('t') || (!bc_follows && reader.take(' '))) {
    clock = read_clock(reader);
    zone = read_zone(reader);
  }
  if (reader.rest == " BC") {
    if (year == 0) return std::nullopt;
    year = 1 - year;
    reader.rest = {};
  }
  if (!reader.good || !reader.rest.empty() || month == 0 || day == 0) return std::nullopt;
  if (day > days_of_month(year, month)) return std::nullopt;
  const std::int64_t seconds = days_since_epoch(year, month, day) * day_seconds + clock.seconds;
  return to_instant(seconds - zone, clock.microseconds);
}

std::string print_instant(std::int64_t instant) {
  if (instant == instant_infinity) return "infinity";
  if (instant == instant_minus_infinity) return "-infinity";
  const std::int64_t days = floor_div(instant, day_seconds * second_us);
  const CivilDate date = civil_date(days);
  const bool bc = date.year <= 0;
  std::string out;
  append_padded(out, bc ? 1 - date.year : date.year, 4);
  out += '-';
  append_padded(out, date.month, 2);
  out += '-';
  append_padded(out, date.day, 2);
  out += 'T';
  std::int64_t of_day = instant % (day_seconds * second_us);
  if (of_day < 0) of_day += day_seconds * second_us;
  append_clock(out, of_day);
  out += 'Z';
  if (bc) out += " BC";
  return out;
}

}  // namespace pgtide
