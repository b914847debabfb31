#include "common/base/base64.h"
#include "common/model/limits.h"
#include "common/wire/json_text.h"
#include "control-server/api/command_json.h"
#include "control-server/api/deliver_json.h"

namespace duly {
namespace {

void append_retry(std::string& out, const RetryPolicy& retry) {
  JsonObject object(out);
  object.number("max_attempts", retry.max_attempts);
  object.number("initial_delay_ms", retry.initial_delay_ms);
  object.real("multiplier", retry.multiplier);
  object.number("max_delay_ms", retry.max_delay_ms);
  object.real("jitter", retry.jitter);
  object.end();
}

void append_labels(std::string& out, const std::map<std::string, std::string>& labels) {
  out += '{';
  bool first = true;
  for (const auto& [name, value] : labels) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, name);
    out += ':';
    append_json_string(out, value);
  }
  out += '}';
}

void append_attempt(std::string& out, const AttemptView& attempt) {
  JsonObject object(out);
  object.number("attempt", attempt.attempt);
  object.text_or_null("agent", attempt.agent);
  object.number("epoch", attempt.epoch);
  object.text_or_null("executor", attempt.executor);
  object.instant("queued_at", attempt.queued_at_ms);
  object.instant("started_at", attempt.started_at_ms);
  object.instant("finished_at", attempt.finished_at_ms);
  object.text_or_null("outcome", attempt.outcome ? name_of(*attempt.outcome) : std::string_view{});
  object.text_or_null("error", attempt.error);
  object.end();
}

void append_event(std::string& out, const EventView& event) {
  JsonObject object(out);
  object.instant("at", event.at_ms);
  object.text("kind", event.kind);
  object.text("who", event.who);
  object.text("detail", event.detail);
  object.end();
}

template <class Items, class Append>
void append_list(std::string& out, const Items& items, const Append& append) {
  out += '[';
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ',';
    first = false;
    append(out, item);
  }
  out += ']';
}

// Bytes that are no JSON cannot stand in one: `payload` is null then, and `payload_base64` has them.
void append_payload(JsonObject& object, const CommandSpec& spec) {
  const bool is_json = spec.payload && !spec.opaque;
  object.raw("payload", is_json ? std::string_view(*spec.payload) : "null");
  if (spec.opaque) object.text("payload_base64", to_base64(*spec.payload));
  object.text("content_type", spec.content_type.empty() ? "application/json" : spec.content_type);
}

void append_callback(std::string& out, JsonObject& object, const CommandView& view) {
  object.text_or_null("callback_url", view.spec.callback_url);
  if (!view.callback) return object.raw("callback", "null");
  object.begin("callback");
  JsonObject callback(out);
  callback.text("state", name_of(view.callback->state));
  callback.number("attempts", view.callback->attempts);
  callback.text_or_null("last_error", view.callback->error);
  callback.instant("next_at", view.callback->next_ms);
  callback.end();
}

void append_request(std::string& out, JsonObject& object, const CommandView& view) {
  const CommandSpec& spec = view.spec;
  object.text("state", name_of(view.state));
  object.instant("due_at", spec.due_at_ms);
  object.instant("created_at", view.created_at_ms);
  object.instant("finished_at", view.finished_at_ms);
  object.number("priority", spec.priority);
  object.text_or_null("key", spec.key);
  object.begin("retry");
  append_retry(out, spec.retry);
  object.number("timeout_ms", spec.timeout_ms);
  object.instant("expires_at", spec.expires_at_ms);
  object.begin("labels");
  append_labels(out, spec.labels);
  object.text_or_null("schedule", view.schedule);
  object.instant("fire_at",
                 view.schedule.empty() ? std::nullopt : std::optional<std::int64_t>(spec.fire_at_ms));
  object.begin("depends_on");
  append_list(out, spec.depends_on,
              [](std::string& list, CommandId id) { append_json_string(list, format_command_id(id)); });
  object.text_or_null("workflow",
                      view.workflow.value == 0 ? std::string() : format_workflow_id(view.workflow));
  object.text_or_null("node", view.node);
  object.text("on_lost", spec.on_lost == OnLost::dead ? "dead" : "retry");
  object.text_or_null("traceparent", traceparent_of(spec.trace));
  if (!spec.deliver) return object.raw("deliver", "null");
  object.begin("deliver");
  append_deliver(out, *spec.deliver);
}

void append_head(JsonObject& object, const CommandView& view) {
  object.text("id", format_command_id(view.id));
  object.text("type", view.spec.type);
  object.text("queue", view.spec.queue);
}

void append_progress(JsonObject& object, const CommandView& view, std::string_view result) {
  object.number("attempt", view.attempt);
  object.number("max_attempts", view.max_attempts);
  object.number("shard", view.shard);
  object.raw("result", result);
  object.text_or_null("error", view.error);
  object.text_or_null("reason", view.reason);
}

}  // namespace

void append_command_json(std::string& out, const CommandView& view, CommandDetail detail) {
  JsonObject object(out);
  append_head(object, view);
  append_payload(object, view.spec);
  append_request(out, object, view);
  append_progress(object, view, view.result ? std::string_view(*view.result) : "null");
  append_callback(out, object, view);
  if (detail == CommandDetail::full) {
    object.begin("attempts");
    append_list(out, view.attempts, append_attempt);
    object.begin("events");
    append_list(out, view.events, append_event);
  }
  object.end();
}

// A large result is asked for by who wants it.
void append_callback_json(std::string& out, const CommandView& view) {
  const bool large = view.result && view.result->size() > limits::kCallbackResultBytes;
  JsonObject object(out);
  append_head(object, view);
  append_request(out, object, view);
  append_progress(object, view, view.result && !large ? std::string_view(*view.result) : "null");
  if (large) object.boolean("result_omitted", true);
  object.end();
}

}  // namespace duly
