// What a caller may do: each role may do what those before it may, and more.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace duly {

enum class Role : std::uint8_t {
  none,     // of a route: anybody may ask, also without a key
  read,     // look at everything but the audit log
  submit,   // bring work, and execute it (begin, finish)
  operate,  // change what was brought, schedules, queues, agents, shards
  admin,    // the audit log, crash simulation, the clock
};
inline constexpr std::array<Role, 4> kRoles = {Role::read, Role::submit, Role::operate, Role::admin};

constexpr std::string_view name_of(Role role) {
  switch (role) {
    case Role::none: return "none";
    case Role::read: return "read";
    case Role::submit: return "submit";
    case Role::operate: return "operator";
    case Role::admin: return "admin";
  }
  return "none";
}

constexpr std::optional<Role> role_named(std::string_view name) {
  for (const Role role : kRoles) {
    if (name_of(role) == name) return role;
  }
  return std::nullopt;
}

}  // namespace duly
