#include "common/wire/result_refs.h"

#include <vector>

#include "common/wire/raw_json.h"

namespace duly {
namespace {

constexpr const char* kResult = "$result";
constexpr const char* kPointer = "pointer";

using Allowed = std::function<bool(const std::string&)>;
using Complain = std::function<void(std::string, std::string)>;

std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return text;
}

void check_one(const Json& object, const std::string& at, const Allowed& allowed, const Complain& complain) {
  for (const auto& member : object.items()) {
    const std::string here = at + "/" + escaped(member.key());
    if (member.key() == kResult) {
      const bool known = member.value().is_string() && allowed(member.value().get_ref<const std::string&>());
      if (!known) complain(here, "must be the name of a command in depends_on");
    } else if (member.key() == kPointer) {
      const bool good =
          member.value().is_string() && pointer_steps(member.value().get_ref<const std::string&>());
      if (!good) complain(here, "must be a JSON pointer (RFC 6901)");
    } else {
      complain(here, "has no place beside $result");
    }
  }
}

// Depth is bounded by the parser that made the value.
bool check_value(const Json& value, const std::string& at, const Allowed& allowed, const Complain& complain) {
  if (!value.is_structured()) return false;
  if (value.is_object() && value.contains(kResult)) return check_one(value, at, allowed, complain), true;
  bool any = false;
  for (const auto& inner : value.items())
    any |= check_value(inner.value(), at + "/" + escaped(inner.key()), allowed, complain);
  return any;
}

struct Place {
  std::string_view bytes;  // in the payload
  std::string node;
  std::string pointer;  // RFC 6901; "" = the whole result
};

std::string text_of(std::string_view quoted) {
  const auto decoded = parse_json(quoted, 1);
  return decoded.ok() && decoded->is_string() ? decoded->get<std::string>() : std::string();
}

void find_places(std::string_view value, std::vector<Place>& places) {
  if (value.front() == '[') {
    for (const std::string_view item : raw_items(value)) find_places(item, places);
  } else if (value.front() == '{') {
    if (const auto node = raw_member(value, kResult)) {
      const auto pointer = raw_member(value, kPointer);
      places.push_back({value, text_of(*node), pointer ? text_of(*pointer) : ""});
      return;
    }
    for (const auto& [name, inner] : raw_members(value)) find_places(inner, places);
  }
}

}  // namespace

bool check_result_refs(const Json& payload, const std::string& at, const Allowed& allowed,
                       const Complain& complain) {
  return check_value(payload, at, allowed, complain);
}

Result<std::string> fill_in_results(std::string_view payload, std::size_t most,
                                    const std::function<std::string_view(const std::string&)>& result) {
  std::vector<Place> places;
  const auto whole = raw_at(payload, "");
  if (whole) find_places(*whole, places);
  std::string filled;
  std::size_t from = 0;
  for (const Place& place : places) {
    const auto begin = static_cast<std::size_t>(place.bytes.data() - payload.data());
    const auto value = raw_at(result(place.node), place.pointer);
    if (!value) return invalid("the result of '" + place.node + "' has nothing at '" + place.pointer + "'");
    filled.append(payload.substr(from, begin - from)).append(*value);
    from = begin + place.bytes.size();
    // Looked at each time: a thousand references to one large result are few bytes as they are written.
    if (filled.size() + (payload.size() - from) > most)
      return invalid("with the results in it the payload is larger than " + std::to_string(most) + " bytes");
  }
  return filled.append(payload.substr(from));
}

}  // namespace duly
