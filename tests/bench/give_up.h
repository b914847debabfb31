// Ends a benchmark's program: what could not be measured must not pass for a small figure.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace duly::bench {

[[noreturn]] inline void give_up(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
  std::exit(1);
}

}  // namespace duly::bench
