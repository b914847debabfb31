// DULY_ASSERT: a promise of the programmer, checked in every build.
//
// A failed assertion means our own state can no longer be trusted: the process says where and ends at once
// (abort), and recovery from the store decides what was true.  What the outside world may do wrong is not an
// assertion but an Error (base/result.h).
#pragma once

namespace duly {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace duly

#define DULY_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::duly::assertion_failed(#expression, __FILE__, __LINE__))
