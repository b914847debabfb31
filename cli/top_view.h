// The picture of `duly top`, from what the server tells.  Nothing here asks or prints.
#pragma once

#include <string>
#include <vector>

#include "common/wire/json.h"

namespace duly::cli {

// What the server said at one moment; lists are the arrays of their items.
struct TopSample {
  Json stats, agents, shards, queues;
};

// Shards as ranges: "0-3,7".
std::string shard_ranges(const Json& numbers);

// `before` is the sample before, for the rates of each agent; null = there is none.
std::vector<std::string> draw_top(const TopSample& now, const TopSample* before, const std::string& server);

}  // namespace duly::cli
