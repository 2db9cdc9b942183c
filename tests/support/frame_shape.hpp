#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace pgtide::test {

// A frame as a test compares it: keys in the order of the alphabet, and what no test can foretell
// replaced after its form was checked (a wrong form stays as it is, so that the comparison shows
// it):
//   "cursor" -> "<cursor>"              64 characters of base64url
//   "timestamp" -> "<time>"             "2026-11-23T10:15:30.123456Z"
//   "connection_id" -> "<uuid>"
//   "message" of an error -> "<text>"   not empty
//   "retry_after_ms" -> "<ms>"          a positive integer
//   "server" -> "<server>"              "pgtide/1.2.3"
std::string shape(std::string_view frame);

// What shape() should come to, written in any order of keys.
std::string json(std::string_view text);

// The text of one of the frame's members, as JSON; strings without their quotes. Empty: it has
// none.
std::string member(std::string_view frame, const char* key);

// The same of each frame.
std::vector<std::string> members(const std::vector<std::string>& frames, const char* key);

// The shape of the answer to a subscribe; `more`: what else it holds, as `,"id":7`.
std::string subscribed(const std::string& pattern, const std::string& more = "");

}  // namespace pgtide::test
