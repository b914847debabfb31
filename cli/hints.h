// What a person may try after an error.
#pragma once

#include <string_view>

#include "cli/api.h"

namespace duly::cli {

// One sentence, or nothing when the error says all there is to say.
std::string_view hint_for(const Error& error);
std::string_view hint_for(const Answer& answer);

}  // namespace duly::cli
