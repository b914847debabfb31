// The Retry-After header of an answer (RFC 9110 section 10.2.3).  Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/time.h"

namespace duly {

// Milliseconds since 1970 of "Sun, 06 Nov 1994 08:49:37 GMT"; nothing for the two older forms, which nobody
// sends any more.
std::optional<std::int64_t> parse_http_date(std::string_view text);

// Milliseconds to wait, at most `most`; 0 when it asks for none or cannot be read.  A date is compared with
// the answer's own Date header, so that our clock need not agree with the sender's; without one with `now`.
std::int64_t retry_after_ms(std::string_view retry_after, std::string_view date, WallTime now,
                            std::int64_t most);

}  // namespace duly
