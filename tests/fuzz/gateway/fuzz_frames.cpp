#include "fuzz/fuzz.hpp"
#include "gateway/frame_counter.hpp"
#include "pgtide/result.hpp"

namespace pgtide::test {

void fuzz_frames(std::string_view bytes) {
  FrameCounter whole;
  const std::size_t count = whole.count(bytes);
  PGTIDE_ASSERT(count <= bytes.size() / 2);  // no header is shorter
  const std::size_t step = bytes.empty() ? 1 : 1 + static_cast<unsigned char>(bytes[0]) % 7;
  FrameCounter cut;
  std::size_t counted = 0;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    counted += cut.count(bytes.substr(at, step));
  }
  PGTIDE_ASSERT(counted == count);
}

}  // namespace pgtide::test
