// How long ended commands are kept, by state and type: the most specific rule wins.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/state_table.h"

namespace duly {

inline constexpr std::int64_t kKeepForever = std::numeric_limits<std::int64_t>::max();

struct RetentionRule {
  State state = State::succeeded;
  std::string type;  // empty = every type
  std::int64_t keep_ms = kKeepForever;
};
struct Retention {
  std::int64_t keep_ms = kKeepForever;  // what no rule speaks of
  std::vector<RetentionRule> rules;     // one for each state and type at most
};

// Milliseconds, or "never" for never removed.
Result<std::int64_t> read_keep_time(std::string_view text);
// "STATE=MS" or "STATE:TYPE=MS"; "never" in place of the number.
Result<RetentionRule> read_retention_rule(std::string_view text);
// The whole of it; an error says which rule is wrong.
Result<Retention> read_retention(std::string_view keep, const std::vector<std::string>& rules);

}  // namespace duly
