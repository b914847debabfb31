// Randomness of the client.  Any thread.
#pragma once

#include <string>

namespace duly::client {

// Nobody else draws the same.
std::string new_key();
// 0 to 1.
double chance();

}  // namespace duly::client
