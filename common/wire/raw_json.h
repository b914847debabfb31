// Finds the bytes of a value inside a JSON text, so that a payload is passed on exactly as its client wrote
// it.
//
// The text must already have been accepted by parse_json (which checks grammar, depth, duplicate keys and
// UTF-8): here nothing is checked again, only found.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duly {

// The value of member `name` of the object `text`, without surrounding white space; nothing when there is
// none.
std::optional<std::string_view> raw_member(std::string_view text, std::string_view name);

// The items of the array `text`, in order.
std::vector<std::string_view> raw_items(std::string_view text);

// The members of the object `text`, in order: the quoted name, and the value.
std::vector<std::pair<std::string_view, std::string_view>> raw_members(std::string_view text);

// What a JSON pointer (RFC 6901) names in `text`; "" is all of it.  Nothing when it names nothing there.
std::optional<std::string_view> raw_at(std::string_view text, std::string_view pointer);

// The steps of a JSON pointer, their escapes undone; nothing when it is none.
std::optional<std::vector<std::string>> pointer_steps(std::string_view pointer);

}  // namespace duly
