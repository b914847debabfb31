// A traceparent and a tracestate of anybody: what is read, written anew, is read the same, and is what a
// collector and the next in line may be told.
#include <algorithm>

#include "common/model/limits.h"
#include "common/model/trace_context.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {

void run(Input input) {
  const std::string parent(input.text_until('\n'));
  const std::string state(input.rest());
  const TracePtr trace = read_trace(parent, state);
  if (!trace) return;
  const std::string written = trace->traceparent();
  FUZZ_CHECK(written.size() == 55 && written.starts_with("00-") &&
             parent.substr(3, 49) == written.substr(3, 49));
  FUZZ_CHECK(trace->trace_id() == written.substr(3, 32) && trace->span_id() == written.substr(36, 16));
  FUZZ_CHECK((trace->trace_high != 0 || trace->trace_low != 0) && trace->span != 0);
  FUZZ_CHECK(trace->state.size() <= limits::kTraceStateBytes);
  FUZZ_CHECK(
      std::all_of(trace->state.begin(), trace->state.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  const TracePtr again = read_trace(written, trace->state);
  FUZZ_CHECK(again && *again == *trace);
}

}  // namespace duly::fuzz
