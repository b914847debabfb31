// What a call of the client gives: a value, or an Error that says what the caller can do about it.
//
// Nothing here throws on account of a server, a broker or a network.  That a request failed and that nobody
// knows whether it did are ordinary ends of a call, and different ones: the compiler makes you look
// ([[nodiscard]]).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace duly::client {

enum class ErrorKind : std::uint8_t {
  invalid,      // not applied; the same again will fail again
  denied,       // not applied: no API key, or one whose role is too low
  not_found,    // not applied: what it names is not there
  conflict,     // not applied: the present state forbids it
  busy,         // not applied: too much at once, or no disk space; later it may be
  unreachable,  // not applied: there was no connection
  unknown,      // it may have been applied: ask before you do it again, or do it again under the same key
};

struct Error {
  ErrorKind kind = ErrorKind::invalid;
  int http_status = 0;  // of the last answer; 0 = there was none
  std::string message;  // one line for people
  // Of a submit: what it was sent under, also when the library had made it up.  The same command again with
  // this key is one command, whatever became of the first.
  std::string idempotency_key = {};
};

struct Done {};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // std::bad_variant_access when there is no value, or no error.
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace duly::client
