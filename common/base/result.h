// Result: a value or an Error, named by what the caller can do about it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "common/base/assert.h"

namespace duly {

enum class Errc : std::uint8_t {
  invalid,      // the same request will fail again
  not_found,    // what it names is not here
  conflict,     // the present state forbids it
  stale,        // fenced off: someone newer owns this; drop it
  overloaded,   // a bound was hit; try later
  unavailable,  // a peer is down; try later
  full,         // no disk space: nothing of it was applied
  in_doubt,     // it may have happened; find out before retrying
  fatal,        // local state can no longer be trusted; stop
};

struct Error {
  Errc code = Errc::invalid;
  std::string what;
};

struct Unit {};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    DULY_ASSERT(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    DULY_ASSERT(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    DULY_ASSERT(ok());
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] const Error& error() const {
    DULY_ASSERT(!ok());
    return std::get<1>(state_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<Unit>;
inline Status ok_status() { return Status(Unit{}); }
inline Error invalid(std::string what) { return Error{Errc::invalid, std::move(what)}; }

}  // namespace duly
