#include "control-server/core/retention.h"

#include <algorithm>
#include <charconv>

#include "common/model/limits.h"

namespace duly {
namespace {

bool is_type(std::string_view text) {
  const auto fits = [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= limits::kTypeBytes && std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

Result<std::int64_t> read_keep_time(std::string_view text) {
  if (text == "never") return kKeepForever;
  std::int64_t ms = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size())
    return invalid("\"" + std::string(text) + "\" is neither a whole number of milliseconds nor \"never\"");
  if (ms < limits::kKeepLeastMs || ms > limits::kKeepMostMs)
    return invalid(std::to_string(ms) + " is not between " + std::to_string(limits::kKeepLeastMs) + " and " +
                   std::to_string(limits::kKeepMostMs));
  return ms;
}

Result<RetentionRule> read_retention_rule(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return invalid("it is not of the form STATE[:TYPE]=MS");
  const std::string_view what = text.substr(0, equals);
  const std::size_t colon = std::min(what.find(':'), what.size());
  const auto state = state_named(what.substr(0, colon));
  if (!state || !is_end(*state))
    return invalid(
        "\"" + std::string(what.substr(0, colon)) +
        "\" is not a state in which commands end (succeeded, dead, cancelled, expired, delivered)");
  RetentionRule rule;
  rule.state = *state;
  if (colon < what.size()) {
    rule.type = what.substr(colon + 1);
    if (!is_type(rule.type)) return invalid("\"" + rule.type + "\" is not a type");
  }
  const auto keep = read_keep_time(text.substr(equals + 1));
  if (!keep) return keep.error();
  rule.keep_ms = *keep;
  return rule;
}

Result<Retention> read_retention(std::string_view keep, const std::vector<std::string>& rules) {
  Retention retention;
  const auto otherwise = read_keep_time(keep);
  if (!otherwise) return invalid("--keep-ms: " + otherwise.error().what);
  retention.keep_ms = *otherwise;
  if (rules.size() > limits::kKeepRules)
    return invalid("--keep: there are more than " + std::to_string(limits::kKeepRules) + " rules");
  for (const std::string& text : rules) {
    auto rule = read_retention_rule(text);
    if (!rule) return invalid("--keep " + text + ": " + rule.error().what);
    const bool twice = std::any_of(retention.rules.begin(), retention.rules.end(), [&](const auto& other) {
      return other.state == rule->state && other.type == rule->type;
    });
    if (twice) return invalid("--keep " + text + ": there is another rule for the same commands");
    retention.rules.push_back(std::move(*rule));
  }
  return retention;
}

}  // namespace duly
