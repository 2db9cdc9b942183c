#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "model/cursor_sealer.hpp"

namespace pgtide {

// Cursors of 64 characters that only who has the key can read or make.
class SealedCursors final : public CursorSealer {
 public:
  // With a key of chance, until use_key().
  SealedCursors();
  ~SealedCursors() override;
  void use_key(const CursorKey& key);

  std::string seal(const Cursor& cursor) override;
  Result<Cursor> open(std::string_view text) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgtide
