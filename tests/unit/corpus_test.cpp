#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "fuzz/fuzz_expression.hpp"
#include "support/text.hpp"
#include "unit/random_expression.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

std::vector<std::string> corpus_of(const std::string& name) {
  std::vector<std::string> inputs;
  const std::filesystem::path folder = PGTIDE_SOURCE_DIR "/tests/fuzz/corpus/" + name;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    inputs.push_back(file_text(file.path()));
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

// Some bytes changed, taken out, or put in from another input.
std::string mutated(std::string text, const std::vector<std::string>& inputs, naive::Dice& dice) {
  static constexpr char symbols[] = "()[]{}'\"\\.,!?:&|=<>-+0123456789eruxinhasord \n\xc3\xa9\xff";
  for (std::size_t n = 1 + dice.below(4); n > 0; --n) {
    const std::string& other = inputs[dice.below(inputs.size())];
    const std::size_t at = dice.below(text.size() + 1), from = dice.below(other.size() + 1);
    switch (dice.below(3)) {
      case 0:
        text.insert(at, 1, symbols[dice.below(sizeof symbols - 1)]);
        break;
      case 1:
        text.erase(at, 1 + dice.below(4));
        break;
      default:
        text.insert(at, other.substr(from, dice.below(20)));
    }
  }
  return text;
}

}  // namespace

TEST_CASE("fuzz: no expression of the corpus, nor one like them, breaks anything") {
  const std::vector<std::string> inputs = corpus_of("expression");
  REQUIRE(inputs.size() > 10);
  for (const std::string& input : inputs) fuzz_expression(input);
  naive::Dice dice(3);
  for (int n = 0; n < 4'000; ++n) {
    fuzz_expression(mutated(inputs[dice.below(inputs.size())], inputs, dice));
  }
}

TEST_CASE("fuzz: no bytes break anything") {
  naive::Dice dice(5);
  for (int n = 0; n < 2'000; ++n) {
    std::string bytes;
    for (std::size_t size = dice.below(60); size > 0; --size)
      bytes += static_cast<char>(dice.below(256));
    fuzz_expression(bytes);
  }
}
