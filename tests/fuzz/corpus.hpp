#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "support/text.hpp"

// The stored inputs of the fuzzers, for the tests.
namespace pgtide::test {

inline std::vector<std::string> corpus_of(const std::string& name) {
  std::vector<std::string> inputs;
  const std::filesystem::path folder = PGTIDE_SOURCE_DIR "/tests/fuzz/corpus/" + name;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    inputs.push_back(file_text(file.path()));
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

// Some bytes changed, taken out, or put in from another input.
inline std::string mutated(std::string text, const std::vector<std::string>& inputs,
                           std::mt19937& random) {
  static constexpr char symbols[] =
      "()[]{}'\"\\.,!?:&|=<>-+0123456789eruxinhasord \n\xc3\xa9\xff\x00\x7e";
  const auto below = [&random](std::size_t bound) { return random() % bound; };
  for (std::size_t n = 1 + below(4); n > 0; --n) {
    const std::string& other = inputs[below(inputs.size())];
    const std::size_t at = below(text.size() + 1), from = below(other.size() + 1);
    switch (below(3)) {
      case 0:
        text.insert(at, 1, symbols[below(sizeof symbols - 1)]);
        break;
      case 1:
        text.erase(at, 1 + below(4));
        break;
      default:
        text.insert(at, other.substr(from, below(20)));
    }
  }
  return text;
}

// The inputs as they are, so many that are near them, and bytes of any kind.
inline void try_corpus(const std::string& name, void (*target)(std::string_view), int rounds) {
  const std::vector<std::string> inputs = corpus_of(name);
  REQUIRE(inputs.size() >= 4);
  for (const std::string& input : inputs) target(input);
  std::mt19937 random(3);
  for (int n = 0; n < rounds; ++n) {
    target(mutated(inputs[random() % inputs.size()], inputs, random));
    if (n % 2 == 0) continue;
    std::string bytes;
    for (std::size_t size = random() % 60; size > 0; --size)
      bytes += static_cast<char>(random() % 256);
    target(bytes);
  }
}

}  // namespace pgtide::test
