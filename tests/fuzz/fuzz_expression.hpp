#pragma once
#include <string_view>

namespace pgtide::test {

// One input of the fuzzer; ends the program where something is wrong.
void fuzz_expression(std::string_view text);

}  // namespace pgtide::test
