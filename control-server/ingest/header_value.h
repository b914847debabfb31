// Numbers as publishers write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/amqp/broker.h"

namespace duly {

// Text that is a whole number and nothing else.
std::optional<std::int64_t> whole(std::string_view text);
// A whole number, or text that is one: some clients (STOMP, the management API) have nothing but text.
std::optional<std::int64_t> whole(const HeaderValue& value);

}  // namespace duly
