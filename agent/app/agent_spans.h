// The spans of an agent: of each publish until its confirm, and of each run of a handler.
//
// Only of commands whose trace is sampled.  A publish is a span below the one that the command came with, and
// what is published names it.  The first attempt's run is a span below that; a later attempt, which may come
// days after, begins a trace of its own with a link to it.
// Concurrency.  The thread of `loop`.
// Limits.  Keeps what is published and not settled, and what runs: the agent's own bounds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/amqp/broker.h"
#include "common/runtime/loop.h"
#include "common/trace/span.h"
#include "common/wire/envelope.h"

namespace duly {

class AgentSpans {
 public:
  // `take` gets each span when it has ended; `seed` is drawn at random.
  AgentSpans(Loop& loop, std::function<void(Span)> take, std::uint64_t seed);

  // Gives what is about to be published its own place in the trace.
  void publishing(PublishTicket ticket, HandOutItem& item);
  void settled(const std::vector<SettledPublish>& results);

  // The same for what is about to run.
  void begin(Execution& execution);
  // It was told to stop, and why: that is how it ended, whatever its handler says.
  void stop(const AttemptRef& attempt, const std::string& reason);
  struct End {
    std::string outcome;  // by AttemptOutcome's names
    std::string error;
  };
  void end(const AttemptRef& attempt, End end);

 private:
  struct Run {
    Span span;
    std::string stopped;  // empty = it was not
  };

  Loop& loop_;
  const std::function<void(Span)> take_;
  SpanIds ids_;
  std::map<PublishTicket, std::vector<Span>> sending_;
  std::map<AttemptRef, Run> running_;
};

}  // namespace duly
