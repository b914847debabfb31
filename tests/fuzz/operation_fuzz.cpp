// POST /v1/commands/cancel and /retry: a filter that is accepted names something, keeps its bounds, and means
// the same after it was stored.
#include "tests/fuzz/api_world.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

const StartOperation* started(const Asked& asked) {
  if (asked.inputs.empty()) return nullptr;
  const auto* start = std::get_if<StartOperation>(&asked.inputs.front());
  FUZZ_CHECK(start != nullptr);
  return start;
}

}  // namespace

void run(Input input) {
  const bool cancels = input.byte() % 2 == 0;
  const std::string path = cancels ? "/v1/commands/cancel" : "/v1/commands/retry";
  const Asked asked = ask("POST", path, std::string(input.rest()));
  const StartOperation* start = started(asked);
  if (start == nullptr) return;
  FUZZ_CHECK(start->kind == (cancels ? OperationKind::cancel : OperationKind::retry));
  const std::string text = filter_text(start->filter);
  FUZZ_CHECK(text != "{}");
  FUZZ_CHECK(start->filter.ids.size() <= limits::kOperationIds);
  FUZZ_CHECK(start->filter.match.labels.size() <= limits::kLabels);

  const auto stored = read_filter(text);
  FUZZ_CHECK(stored.has_value());
  FUZZ_CHECK(filter_text(*stored) == text);

  const Asked second = ask("POST", path, text);
  const StartOperation* again = started(second);
  FUZZ_CHECK(again != nullptr);
  FUZZ_CHECK(filter_text(again->filter) == text);
  FUZZ_CHECK(!again->dry_run);
}

}  // namespace duly::fuzz
