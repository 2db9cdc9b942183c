#pragma once
#include <cstddef>
#include <memory>

#include "broker/memory_account.hpp"

namespace pgtide {

// An allocator of the standard's kind whose bytes are in an account, which outlives them, among
// those of connections. Null: nothing is counted.
template <class T>
class ChargedAllocator {
 public:
  using value_type = T;

  explicit ChargedAllocator(MemoryAccount* account) : account_(account) {}
  template <class U>
  ChargedAllocator(const ChargedAllocator<U>& other) : account_(other.account()) {}

  T* allocate(std::size_t count) {
    T* made = std::allocator<T>{}.allocate(count);
    if (account_ != nullptr) account_->add(MemoryKind::connections, count * sizeof(T));
    return made;
  }
  void deallocate(T* held, std::size_t count) {
    std::allocator<T>{}.deallocate(held, count);
    if (account_ != nullptr) account_->take(MemoryKind::connections, count * sizeof(T));
  }
  MemoryAccount* account() const { return account_; }

  template <class U>
  friend bool operator==(const ChargedAllocator& left, const ChargedAllocator<U>& right) {
    return left.account() == right.account();
  }

 private:
  MemoryAccount* account_;
};

}  // namespace pgtide
