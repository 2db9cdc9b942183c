// What libFuzzer calls.
#include <cstddef>
#include <cstdint>

#include "fuzz/fuzz_expression.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  pgtide::test::fuzz_expression({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
