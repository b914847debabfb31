// Text for manual pages.
#pragma once

#include <string>

namespace duly {

// Text of ours as roff shows it: nothing in it is a request, a hyphen stays what it is, and what is not ASCII
// is named.
std::string roff(const std::string& text);

}  // namespace duly
