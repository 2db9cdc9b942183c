#include <doctest/doctest.h>

#include "model/frame.hpp"

using namespace pgtide;

TEST_CASE("frame: the header has the length's shortest form (RFC 6455, 5.2)") {
  struct {
    std::size_t payload;
    std::string header;
  } const rows[] = {
      {0, {"\x81\x00", 2}},
      {125, "\x81\x7d"},
      {126, {"\x81\x7e\x00\x7e", 4}},
      {65'535, "\x81\x7e\xff\xff"},
      {65'536, {"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10}},
  };
  for (const auto& row : rows) {
    std::string out;
    append_text_frame(out, std::string(row.payload, 'x'));
    CHECK(out.substr(0, row.header.size()) == row.header);
    CHECK(out.size() == row.header.size() + row.payload);
    CHECK(frame_size_at(out) == out.size());
  }
}

TEST_CASE("frame: frames that follow each other are walked one by one") {
  std::string out;
  std::size_t expected = 0;
  for (const std::size_t size : {3U, 200U, 70'000U, 0U}) {
    append_text_frame(out, std::string(size, 'y'));
    CHECK(frame_size_at(std::string_view(out).substr(expected)) == out.size() - expected);
    expected = out.size();
  }
}
