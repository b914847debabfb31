// Targets of every route, and the filters of a list: a filter that is understood, written anew, is the same
// filter.
#include "control-server/api/cursor.h"
#include "tests/fuzz/api_world.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

std::string encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  FUZZ_CHECK(percent_decode(out, true) == std::string(text));
  return out;
}

std::string query_of(const CommandFilter& filter) {
  std::string query = "/v1/commands?limit=7";
  const auto add = [&](std::string_view name, std::string_view value) {
    query.append("&").append(encoded(name)).append("=").append(encoded(value));
  };
  if (filter.state) add("state", name_of(*filter.state));
  if (!filter.type.empty()) add("type", filter.type);
  if (!filter.queue.empty()) add("queue", filter.queue);
  if (!filter.key.empty()) add("key", filter.key);
  for (const auto& [name, value] : filter.labels) add("label." + name, value);
  if (filter.due_before_ms) add("due_before", format_instant(*filter.due_before_ms));
  if (filter.due_after_ms) add("due_after", format_instant(*filter.due_after_ms));
  return query;
}

bool same(const CommandFilter& one, const CommandFilter& other) {
  return one.state == other.state && one.type == other.type && one.queue == other.queue &&
         one.key == other.key && one.labels == other.labels && one.due_before_ms == other.due_before_ms &&
         one.due_after_ms == other.due_after_ms;
}

}  // namespace

void run(Input input) {
  static constexpr const char* kMethods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
  const std::uint8_t what = input.byte();
  const std::string text(input.rest());
  if (what % 4 != 0) {
    ask(kMethods[what / 4 % 6], "/" + text, what % 4 == 1 ? "{}" : "");
    return;
  }
  const Asked asked = ask("GET", "/v1/commands?" + text, "");
  if (!asked.answer || asked.answer->status != 200) return;
  const Json page = parse_json(asked.answer->body, limits::kJsonDepth + 4).value();
  FUZZ_CHECK(page["items"].is_array() && page["items"].size() <= limits::kPageItems);
  const Asked again = ask("GET", query_of(asked.filter), "");
  FUZZ_CHECK(again.answer && again.answer->status == 200 && same(again.filter, asked.filter));
}

}  // namespace duly::fuzz
