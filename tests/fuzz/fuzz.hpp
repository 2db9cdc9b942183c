#pragma once
#include <string_view>

// One input of a fuzzer each: any bytes; ends the program where something is wrong. A
// coverage-guided fuzzer calls them (./dev fuzz); the tests call them over the stored corpus and
// what lies near it.
namespace pgtide::test {

// An expression of the rules: parsed, checked, printed and read again, decided for somebody and
// nobody over a row of every kind. What is specialized decides as the whole does.
void fuzz_expression(std::string_view text);
// A client's frame: the broker answers it with whole frames of JSON, and goes on.
void fuzz_message(std::string_view text);
// A cursor, a pattern, a row: what can be read prints as it was.
void fuzz_model(std::string_view text);
// config.yaml, and a value as a flag has it: each fault has its place, and changes nothing.
void fuzz_config(std::string_view text);
// rules.yaml, and a file of cases.
void fuzz_rules(std::string_view text);
// The stream of a client's frames: cut anywhere, as many are counted.
void fuzz_frames(std::string_view bytes);
// The head of an HTTP request: it gets a route or an answer.
void fuzz_handshake(std::string_view bytes);

}  // namespace pgtide::test
