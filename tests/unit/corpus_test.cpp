#include "fuzz/corpus.hpp"

using namespace pgtide::test;

TEST_CASE("fuzz: no expression of the corpus, nor one like them, breaks anything") {
  try_corpus("expression", fuzz_expression, 4'000);
}

TEST_CASE("fuzz: no client's message breaks anything") {
  try_corpus("message", fuzz_message, 2'000);
}

TEST_CASE("fuzz: no cursor, pattern or row breaks anything") {
  try_corpus("model", fuzz_model, 4'000);
}

TEST_CASE("fuzz: no configuration breaks anything") {
  try_corpus("config", fuzz_config, 200);
}

TEST_CASE("fuzz: no rules break anything") {
  try_corpus("rules", fuzz_rules, 1'000);
}
