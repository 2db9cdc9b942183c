// What libFuzzer calls. PGTIDE_FUZZ_TARGET is one of the functions of fuzz.hpp.
#include <cstddef>
#include <cstdint>

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  pgtide::test::PGTIDE_FUZZ_TARGET({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
