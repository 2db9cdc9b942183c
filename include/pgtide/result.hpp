#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace pgtide {

// What kind of fault an Error is, so that a caller can decide without reading its text.
enum class ErrorKind {
  invalid,      // the input is wrong: correct it and call again
  not_found,    // what the input names does not exist
  denied,       // a right is missing; the message names it
  conflict,     // the present state forbids it (another version, another owner)
  too_large,    // past a limit
  unavailable,  // transient: the same call may succeed later
  internal      // a fault of pgtide or of something it relies on
};

// The kind's name as it is printed: "invalid", "not_found", ...
std::string_view to_string(ErrorKind kind);

// A fault: `message` says what is wrong and what to do, `context` where ("rules.yaml:4:7",
// "pgtide watch posts"), and may be empty.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
  std::string context{};

  // "context: message", or the message alone.
  std::string to_string() const;
  friend bool operator==(const Error&, const Error&) = default;
};

namespace detail {
// Prints what promise was broken and aborts; also in release builds.
[[noreturn]] void broken_promise(const char* what, const char* file, int line);
}  // namespace detail

// States what the programmer promises. Never used for input, peers, files or databases.
#define PGTIDE_ASSERT(condition) \
  ((condition) ? void() : ::pgtide::detail::broken_promise(#condition, __FILE__, __LINE__))

// A value or the Error why there is none. Reading the one that is not there is a broken promise.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::move(value)) {}          // NOLINT: implicit by design
  Result(Error error) : held_(std::move(error)) {}      // NOLINT: implicit by design

  bool ok() const { return std::holds_alternative<T>(held_); }
  explicit operator bool() const { return ok(); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->value(); }

  const Error& error() const {
    PGTIDE_ASSERT(!ok());
    return std::get<Error>(held_);
  }

 private:
  T& value() {
    PGTIDE_ASSERT(ok());
    return std::get<T>(held_);
  }
  std::variant<T, Error> held_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit by design

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const {
    PGTIDE_ASSERT(!ok_);
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace pgtide
