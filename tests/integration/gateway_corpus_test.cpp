#include "fuzz/corpus.hpp"

using namespace pgtide::test;

TEST_CASE("fuzz: no stream of frames breaks the count") {
  try_corpus("frames", fuzz_frames, 4'000);
}

TEST_CASE("fuzz: no head of a request breaks anything") {
  try_corpus("handshake", fuzz_handshake, 2'000);
}
