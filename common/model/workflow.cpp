#include "common/model/workflow.h"

#include <algorithm>

namespace duly {
namespace {

// From a node that was not reached each step to a parent that was not reached either must come round again.
std::vector<std::size_t> find_cycle(const std::vector<std::vector<std::size_t>>& parents,
                                    const std::vector<std::size_t>& unmet) {
  constexpr std::size_t kUnseen = SIZE_MAX;
  std::vector<std::size_t> seen_at(parents.size(), kUnseen);
  std::vector<std::size_t> path;
  auto at = static_cast<std::size_t>(
      std::find_if(unmet.begin(), unmet.end(), [](std::size_t left) { return left > 0; }) - unmet.begin());
  while (seen_at[at] == kUnseen) {
    seen_at[at] = path.size();
    path.push_back(at);
    at = *std::find_if(parents[at].begin(), parents[at].end(),
                       [&](std::size_t parent) { return unmet[parent] > 0; });
  }
  path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(seen_at[at]));
  path.push_back(at);
  return path;
}

}  // namespace

std::optional<OnFailure> on_failure_named(std::string_view name) {
  for (const OnFailure policy : {OnFailure::cancel_rest, OnFailure::keep_on}) {
    if (name_of(policy) == name) return policy;
  }
  return std::nullopt;
}

std::optional<WorkflowState> workflow_state_named(std::string_view name) {
  for (const WorkflowState state :
       {WorkflowState::running, WorkflowState::succeeded, WorkflowState::failed, WorkflowState::cancelled}) {
    if (name_of(state) == name) return state;
  }
  return std::nullopt;
}

GraphCheck check_graph(const std::vector<std::vector<std::size_t>>& parents) {
  GraphCheck check;
  std::vector<std::size_t> unmet(parents.size());
  std::vector<std::size_t> depth(parents.size(), 1);
  std::vector<std::vector<std::size_t>> children(parents.size());
  for (std::size_t node = 0; node < parents.size(); ++node) {
    unmet[node] = parents[node].size();
    for (const std::size_t parent : parents[node]) children[parent].push_back(node);
    if (unmet[node] == 0) check.order.push_back(node);
  }
  for (std::size_t next = 0; next < check.order.size(); ++next) {
    const std::size_t node = check.order[next];
    check.depth = std::max(check.depth, depth[node]);
    for (const std::size_t child : children[node]) {
      depth[child] = std::max(depth[child], depth[node] + 1);
      if (--unmet[child] == 0) check.order.push_back(child);
    }
  }
  if (check.order.size() < parents.size()) check.cycle = find_cycle(parents, unmet);
  return check;
}

}  // namespace duly
