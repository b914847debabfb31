#include "common/wire/json_scan.h"

#include <utility>

#include "common/base/assert.h"
#include "common/wire/json_scanner.h"
#include "common/wire/raw_json.h"

namespace duly {
namespace {

// Only whether it is JSON.
struct Nobody {
  void opened(bool) {}
  void closed() {}
  void named(std::string_view) {}
  bool text(std::string_view, bool) { return true; }
  void number(std::string_view, bool) {}
  void word(char) {}
};

}  // namespace

bool surely_json(std::string_view text, int max_depth) {
  Nobody nobody;
  return JsonScanner<Nobody>(text, max_depth, nobody).whole();
}

Result<Json> parse_json_without(std::string_view member, std::string_view text, int max_depth) {
  const bool object = text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())).starts_with('{');
  if (!object || !surely_json(text, max_depth)) return parse_json(text, max_depth);
  Json document = Json::object();
  for (const auto& [quoted, value] : raw_members(text)) {
    const std::string_view name = quoted.substr(1, quoted.size() - 2);  // no escapes: it is surely JSON
    if (name == member) {
      document.emplace(name, nullptr);
      continue;
    }
    auto parsed = parse_json(value, max_depth);
    DULY_ASSERT(parsed.ok());
    document.emplace(name, std::move(*parsed));
  }
  return document;
}

}  // namespace duly
