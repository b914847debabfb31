// SHA-256, HMAC with it, and comparing secrets without telling by the time it takes how much of them agrees.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duly {

using Digest = std::array<std::uint8_t, 32>;

Digest sha256(std::string_view bytes);
// HMAC (RFC 2104) with SHA-256.
Digest hmac_sha256(std::string_view key, std::string_view bytes);
// In a time that does not depend on what they hold.
bool same_digest(const Digest& one, const Digest& other);
std::string to_hex(const Digest& digest);
// 64 hexadecimal digits; nothing for anything else.
std::optional<Digest> digest_from_hex(std::string_view text);

}  // namespace duly
