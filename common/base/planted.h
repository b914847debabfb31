// Bugs planted on purpose, one name each: the simulator's proof that every guard is tested
// (tests/sim/README.md).
//
// DULY_PLANTED(name) is false at compile time everywhere but in the simulator's test build: a program that
// ships has neither the switch nor the name in it.  It stands in the condition it breaks, so that a guard and
// the bug it guards against are read together.
#pragma once

#ifdef DULY_PLANTED_BUGS
#include <string_view>

namespace duly {
// Whether the bug of this name is switched on in this process (tests/sim/campaign/planted.cpp).
bool planted(std::string_view name);
}  // namespace duly

#define DULY_PLANTED(name) ::duly::planted(name)
#else
#define DULY_PLANTED(name) false
#endif
