// The header fields that a request may bring along from outside.  Pure.
#pragma once

#include <string_view>

#include "common/base/result.h"

namespace duly {

inline constexpr std::size_t kFieldNameBytes = 128;
inline constexpr std::size_t kFieldValueBytes = 4U << 10;

// An error says what is wrong: no field name, a value that could end the field, or a field that is ours to
// write (where the request goes, how it is framed, and what makes it the same request again).
Status check_request_field(std::string_view name, std::string_view value);

}  // namespace duly
