#pragma once
#include <memory>

namespace pgtide {

// Calls OpenSSL's function for what it has made.
template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

// Owns an object of OpenSSL's: OpensslPointer<BIGNUM, BN_free>.
template <class T, auto Free>
using OpensslPointer = std::unique_ptr<T, FreeWith<Free>>;

}  // namespace pgtide
