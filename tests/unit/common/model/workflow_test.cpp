#include "common/model/workflow.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace duly {
namespace {

using Parents = std::vector<std::vector<std::size_t>>;

bool parents_first(const Parents& parents, const std::vector<std::size_t>& order) {
  std::vector<std::size_t> place(parents.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  for (std::size_t node = 0; node < parents.size(); ++node) {
    for (const std::size_t parent : parents[node]) {
      if (place[parent] >= place[node]) return false;
    }
  }
  return order.size() == parents.size();
}

}  // namespace

TEST_CASE("parents come first, and else the order is as given") {
  CHECK(check_graph({{}, {}, {}}).order == std::vector<std::size_t>{0, 1, 2});
  const Parents diamond{{1, 2}, {3}, {3}, {}};
  const GraphCheck check = check_graph(diamond);
  CHECK(check.cycle.empty());
  CHECK(parents_first(diamond, check.order));
  CHECK(check.order == std::vector<std::size_t>{3, 1, 2, 0});
  CHECK(check.depth == 3);
  CHECK(check_graph({}).order.empty());
}

TEST_CASE("a cycle is named in full, without those that only lead to it or depend on it") {
  const GraphCheck check = check_graph({{}, {0, 3}, {1}, {2}, {3}});
  REQUIRE(check.cycle.size() == 4);
  CHECK(check.cycle.front() == check.cycle.back());
  std::vector<std::size_t> nodes(check.cycle.begin(), check.cycle.end() - 1);
  std::sort(nodes.begin(), nodes.end());
  CHECK(nodes == std::vector<std::size_t>{1, 2, 3});
  CHECK(check_graph({{0}}).cycle == std::vector<std::size_t>{0, 0});
}

TEST_CASE("a cycle at the end of long chains is found without a stack") {
  constexpr std::size_t kNodes = 10'000;
  Parents chain(kNodes);
  for (std::size_t i = 1; i < kNodes; ++i) chain[i] = {i - 1};
  CHECK(check_graph(chain).depth == kNodes);
  chain[0] = {kNodes - 1};
  CHECK(check_graph(chain).cycle.size() == kNodes + 1);
}

TEST_CASE("names of policies and states read back") {
  CHECK(on_failure_named("continue") == OnFailure::keep_on);
  CHECK(on_failure_named("cancel_rest") == OnFailure::cancel_rest);
  CHECK_FALSE(on_failure_named("keep_on"));
  CHECK(workflow_state_named("failed") == WorkflowState::failed);
  CHECK_FALSE(workflow_state_named("dead"));
}

}  // namespace duly
