// Workflows: commands that wait for others, as a directed graph without cycles.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace duly {

// What the end of one command that is not a success means for the others.  The numbers are stored.
enum class OnFailure : std::uint8_t {
  cancel_rest = 0,  // what has not been started is cancelled
  keep_on = 1,      // only what depends on it is cancelled: "continue"
};
constexpr std::string_view name_of(OnFailure policy) {
  return policy == OnFailure::cancel_rest ? "cancel_rest" : "continue";
}
std::optional<OnFailure> on_failure_named(std::string_view name);

// The numbers are stored: never renumber.
enum class WorkflowState : std::uint8_t {
  running = 0,    // some command has not ended
  succeeded = 1,  // all have succeeded
  failed = 2,
  cancelled = 3,  // by hand, as a whole
};
constexpr std::string_view name_of(WorkflowState state) {
  switch (state) {
    case WorkflowState::running: return "running";
    case WorkflowState::succeeded: return "succeeded";
    case WorkflowState::failed: return "failed";
    case WorkflowState::cancelled: return "cancelled";
  }
  return "";
}
std::optional<WorkflowState> workflow_state_named(std::string_view name);

// What a graph of nodes 0 … n-1 looks like, where parents[i] must end before i begins.
struct GraphCheck {
  std::vector<std::size_t> order;  // parents before children, else as given; not whole when there is a cycle
  std::vector<std::size_t> cycle;  // of a cycle, each depends on the next and the last is the first again
  std::size_t depth = 0;           // nodes on the longest path
};
// Takes time in proportion to nodes and edges, and no stack.  Every parent is a node.  (Kahn, 1962.)
GraphCheck check_graph(const std::vector<std::vector<std::size_t>>& parents);

}  // namespace duly
