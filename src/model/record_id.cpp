#include "model/record_id.hpp"

namespace pgtide {

std::string make_record_id(std::span<const std::string> key_values) {
  if (key_values.size() == 1) return key_values.front();
  std::string joined;
  for (std::size_t i = 0; i < key_values.size(); ++i) {
    if (i > 0) joined += ',';
    for (const char character : key_values[i]) {
      if (character == ',' || character == '\\') joined += '\\';
      joined += character;
    }
  }
  return joined;
}

}  // namespace pgtide
