// Payloads are cut out of the request's text without being parsed again: the cut must be what the parser saw.
#include "common/model/limits.h"
#include "common/wire/json_scan.h"
#include "common/wire/raw_json.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

constexpr int kDepth = limits::kJsonDepth;

void check_equal(std::string_view raw, const Json& value) {
  const auto parsed = parse_json(raw, kDepth);
  FUZZ_CHECK(parsed.ok());
  FUZZ_CHECK(*parsed == value);
}

}  // namespace

void run(Input input) {
  const std::string_view text = input.rest();
  const auto parsed = parse_json(text, kDepth);
  if (!parsed) {
    FUZZ_CHECK(!surely_json(text, kDepth));
    FUZZ_CHECK(!parsed.error().what.empty());
    return;
  }
  const std::string written = dump_json(*parsed);
  const auto again = parse_json(written, kDepth);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(dump_json(*again) == written);
  if (parsed->is_object()) {
    const auto sparing = parse_json_without("payload", text, kDepth);
    FUZZ_CHECK(sparing.ok() && sparing->size() == parsed->size());
    for (const auto& item : parsed->items()) {
      FUZZ_CHECK(item.key() == "payload" || sparing->at(item.key()) == item.value());
      const auto raw = raw_member(text, item.key());
      FUZZ_CHECK(raw.has_value());
      check_equal(*raw, item.value());
    }
    FUZZ_CHECK(!raw_member(text, "\x01 no such name"));
  } else if (parsed->is_array()) {
    const auto items = raw_items(text);
    FUZZ_CHECK(items.size() == parsed->size());
    for (std::size_t i = 0; i < items.size(); ++i) check_equal(items[i], (*parsed)[i]);
  }
}

}  // namespace duly::fuzz
