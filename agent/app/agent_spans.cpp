#include "agent/app/agent_spans.h"

#include <utility>

#include "common/trace/command_span.h"

namespace duly {
namespace {

SpanSubject subject_of(const HandOutItem& item) {
  if (item.deliver)
    return {item.id, item.type, item.queue, item.deliver->exchange, item.deliver->routing_key};
  return {item.id, item.type, item.queue, topology::kExecuteExchange, item.queue};
}

void add_attempt(Span& span, CommandId id, int attempt, int max_attempts, const Bytes& payload) {
  const std::string number = std::to_string(attempt);
  span.attributes.emplace_back("messaging.message.id", format_command_id(id) + "." + number);
  span.attributes.emplace_back("messaging.message.body.size",
                               payload ? static_cast<std::int64_t>(payload->size()) : 0);
  span.attributes.emplace_back("duly.attempt", attempt);
  span.attributes.emplace_back("duly.max_attempts", max_attempts);
}

// Of a run that was told to stop: what the executor has made of it by then.
std::string outcome_of_stop(const std::string& reason) {
  if (reason == "cancelled") return "cancelled";
  return reason == "timed out" ? "timed_out" : "handed_back";
}

}  // namespace

AgentSpans::AgentSpans(Loop& loop, std::function<void(Span)> take, std::uint64_t seed)
    : loop_(loop), take_(std::move(take)), ids_(seed) {}

void AgentSpans::publishing(PublishTicket ticket, HandOutItem& item) {
  if (!item.trace || !item.trace->sampled()) return;
  const SpanSubject subject = subject_of(item);
  Span span = command_span("send", item.queue, subject);
  add_attempt(span, item.id, item.attempt, item.max_attempts, item.payload);
  span.attributes.emplace_back("duly.shard", item.shard.value);
  span.attributes.emplace_back("duly.epoch", item.epoch.value);
  span.kind = SpanKind::producer;
  span.parent = item.trace->span;
  span.self = ids_.child(*item.trace);
  span.begun = loop_.wall();
  item.trace = span.self;
  sending_[ticket].push_back(std::move(span));
}

void AgentSpans::settled(const std::vector<SettledPublish>& results) {
  for (const SettledPublish& result : results) {
    const auto at = sending_.find(result.ticket);
    if (at == sending_.end()) continue;
    for (Span& span : at->second) {
      span.ended = loop_.wall();
      const std::string_view outcome = name_of(result.outcome);
      span.attributes.emplace_back("duly.outcome", std::string(outcome));
      if (result.outcome != PublishOutcome::confirmed) note_error(span, outcome, result.detail);
      take_(std::move(span));
    }
    sending_.erase(at);
  }
}

void AgentSpans::begin(Execution& execution) {
  if (!execution.trace || !execution.trace->sampled()) return;
  Span span = command_span(
      "process", execution.type,
      {execution.id, execution.type, execution.queue, topology::kExecuteExchange, execution.queue});
  add_attempt(span, execution.id, execution.attempt, execution.max_attempts, execution.payload);
  span.kind = SpanKind::consumer;
  if (execution.attempt == 1) {
    span.parent = execution.trace->span;
    span.self = ids_.child(*execution.trace);
  } else {
    span.link = execution.trace;
    span.self = ids_.root();
  }
  span.begun = loop_.wall();
  execution.trace = span.self;
  running_.insert_or_assign({execution.id, execution.attempt}, Run{std::move(span), {}});
}

void AgentSpans::stop(const AttemptRef& attempt, const std::string& reason) {
  const auto at = running_.find(attempt);
  if (at != running_.end()) at->second.stopped = reason;
}

void AgentSpans::end(const AttemptRef& attempt, End end) {
  const auto at = running_.find(attempt);
  if (at == running_.end()) return;
  Span span = std::move(at->second.span);
  const std::string stopped = std::move(at->second.stopped);
  running_.erase(at);
  if (!stopped.empty()) end = {outcome_of_stop(stopped), stopped};
  span.ended = loop_.wall();
  if (end.outcome != name_of(AttemptOutcome::succeeded)) note_error(span, end.outcome, end.error);
  span.attributes.emplace_back("duly.outcome", std::move(end.outcome));
  take_(std::move(span));
}

}  // namespace duly
