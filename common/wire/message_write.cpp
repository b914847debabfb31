// Messages to frames: one function per message.  The text is appended piece by piece: a document in between
// cost a sixth of an agent's processor time.
#include "common/wire/json_text.h"
#include "common/wire/messages.h"

namespace duly {
namespace {

// ---- shared pieces
// -------------------------------------------------------------------------------------------

// {"id": …, "attempt": …, open for what else the item says.
JsonObject begin_item(std::string& out, CommandId id, int attempt) {
  JsonObject object(out);
  object.text("id", format_command_id(id));
  object.number("attempt", attempt);
  return object;
}

void append(std::string& out, const AttemptRef& ref) { begin_item(out, ref.id, ref.attempt).end(); }
void append(std::string& out, const Holding& holding) {
  JsonObject object(out);
  object.number("shard", holding.shard.value);
  object.number("epoch", holding.epoch.value);
  object.end();
}
void append(std::string& out, const QueueBundle& item) {
  JsonObject object(out);
  object.text("queue", item.queue);
  object.number("bundle", item.bundle);
  object.end();
}
void append(std::string& out, const OpenCircuit& circuit) {
  JsonObject object(out);
  object.text("target", circuit.target);
  object.boolean("probing", circuit.probing);
  object.end();
}
void append(std::string& out, const std::string& text) { append_json_string(out, text); }

template <class Items, class Append>
void append_array(std::string& out, const Items& items, const Append& append_one) {
  out += '[';
  for (const auto& item : items) {
    if (&item != &items.front()) out += ',';
    append_one(item);
  }
  out += ']';
}

template <class Items>
void array(JsonObject& object, std::string& out, std::string_view name, const Items& items) {
  object.begin(name);
  append_array(out, items, [&out](const auto& item) { append(out, item); });
}

// A message that is a list: `append_one` writes an item.
template <class Items, class Append>
void list(JsonObject& object, std::string& out, const Items& items, const Append& append_one) {
  object.begin("items");
  append_array(out, items, append_one);
}

// ---- writing: agent to server
// --------------------------------------------------------------------------------

void write(JsonObject& object, const Hello& m, Frame& frame) {
  object.text("kind", "hello");
  object.number("protocol", m.protocol);
  object.text("name", m.name);
  object.unsigned_number("incarnation", m.incarnation.value);
  object.boolean("dispatch", m.dispatch);
  object.boolean("execute", m.execute);
  array(object, frame.header, "queues", m.queues);
  object.number("concurrency", m.concurrency);
  object.text("version", m.version);
  object.text("token", m.token);
  array(object, frame.header, "holdings", m.holdings);
  array(object, frame.header, "in_hand", m.in_hand);
  array(object, frame.header, "attempts", m.attempts);
  object.boolean("draining", m.draining);
  object.boolean("fault_injection", m.fault_injection);
}
void write(JsonObject& object, const Heartbeat& m, Frame& frame) {
  object.text("kind", "heartbeat");
  object.unsigned_number("sequence", m.sequence);
  object.number("in_flight", m.in_flight);
  object.number("running", m.running);
  object.number("published", m.published);
  object.number("executed", m.executed);
  object.boolean("broker_up", m.broker_up);
  object.boolean("broker_blocked", m.broker_blocked);
  if (!m.circuits.empty()) array(object, frame.header, "circuits", m.circuits);
}
void write(JsonObject& object, const Credit& m, Frame&) {
  object.text("kind", "credit");
  object.number("room", m.room);
}
void write(JsonObject& object, const Marks& m, Frame& frame) {
  object.text("kind", "marks");
  object.unsigned_number("sequence", m.sequence);
  list(object, frame.header, m.items, [&frame](const MarkItem& item) {
    JsonObject one = begin_item(frame.header, item.id, item.attempt);
    one.number("token", item.token.value);
    one.number("shard", item.shard.value);
    one.number("epoch", item.epoch.value);
    if (item.outcome != MarkOutcome::published) one.text("outcome", name_of(item.outcome));
    if (!item.error.empty()) one.text("error", item.error);
    one.end();
  });
}
void write(JsonObject& object, const GiveBack& m, Frame& frame) {
  object.text("kind", "give_back");
  list(object, frame.header, m.items, [&frame](const GiveBackItem& item) {
    JsonObject one = begin_item(frame.header, item.id, item.attempt);
    one.number("shard", item.shard.value);
    one.number("epoch", item.epoch.value);
    one.text("reason", name_of(item.reason));
    one.end();
  });
}
void write(JsonObject& object, const Released& m, Frame& frame) {
  object.text("kind", "released");
  array(object, frame.header, "items", m.items);
}
void write(JsonObject& object, const Leaving&, Frame&) { object.text("kind", "leaving"); }
void write(JsonObject& object, const Begin& m, Frame& frame) {
  object.text("kind", "begin");
  list(object, frame.header, m.items, [&frame](const BeginItem& item) {
    JsonObject one = begin_item(frame.header, item.id, item.attempt);
    one.number("token", item.token.value);
    one.unsigned_number("nonce", item.nonce);
    one.end();
  });
}
void write(JsonObject& object, const Finish& m, Frame& frame) {
  object.text("kind", "finish");
  list(object, frame.header, m.items, [&frame](const FinishItem& item) {
    JsonObject one = begin_item(frame.header, item.id, item.attempt);
    one.text("outcome", name_of(item.outcome));
    one.boolean("retryable", item.retryable);
    one.text("error", item.error);
    if (item.retry_after_ms > 0) one.number("retry_after_ms", item.retry_after_ms);
    if (item.result) {
      one.unsigned_number("result_bytes", item.result->size());
      frame.bytes += *item.result;
    }
    one.end();
  });
}

// ---- writing: server to agent
// --------------------------------------------------------------------------------

void write(JsonObject& object, const Welcome& m, Frame& frame) {
  object.text("kind", "welcome");
  object.number("lease_ttl_ms", m.lease_ttl_ms);
  object.number("generation", m.generation);
  if (!m.bundles.empty()) array(object, frame.header, "bundles", m.bundles);
}
void write(JsonObject& object, const Bundles& m, Frame& frame) {
  object.text("kind", "bundles");
  array(object, frame.header, "items", m.items);
}
void write(JsonObject& object, const Refused& m, Frame&) {
  object.text("kind", "refused");
  object.text("reason", m.reason);
}
void write(JsonObject& object, const HeartbeatAck& m, Frame&) {
  object.text("kind", "heartbeat_ack");
  object.unsigned_number("sequence", m.sequence);
}
void write(JsonObject& object, const Lease& m, Frame& frame) {
  object.text("kind", "lease");
  array(object, frame.header, "items", m.items);
}
void write(JsonObject& object, const Revoke& m, Frame& frame) {
  object.text("kind", "revoke");
  array(object, frame.header, "items", m.items);
}
void append_trace(JsonObject& object, const TraceContext& trace) {
  object.text("traceparent", trace.traceparent());
  if (!trace.state.empty()) object.text("tracestate", trace.state);
}
void write(JsonObject& object, const HandOut& m, Frame& frame) {
  object.text("kind", "hand_out");
  list(object, frame.header, m.items, [&frame](const HandOutItem& item) {
    JsonObject one = begin_item(frame.header, item.id, item.attempt);
    one.number("max_attempts", item.max_attempts);
    one.number("shard", item.shard.value);
    one.number("epoch", item.epoch.value);
    one.number("token", item.token.value);
    one.number("due_in_us", item.due_in_us);
    one.number("due_at_ms", item.due_at_ms);
    one.text("type", item.type);
    one.text("queue", item.queue);
    one.unsigned_number("payload_bytes", item.payload->size());
    if (!item.key.empty()) one.text("key", item.key);
    if (!item.content_type.empty()) one.text("content_type", item.content_type);
    if (item.bundle > 1) one.number("bundle", item.bundle);
    if (item.trace) append_trace(one, *item.trace);
    frame.bytes += *item.payload;
    if (item.deliver) {
      one.text("deliver_exchange", item.deliver->exchange);
      one.text("deliver_routing_key", item.deliver->routing_key);
      one.unsigned_number("properties_bytes", item.deliver->properties.size());
      frame.bytes += item.deliver->properties;
    }
    one.end();
  });
}
void write(JsonObject& object, const MarksAck& m, Frame&) {
  object.text("kind", "marks_ack");
  object.unsigned_number("sequence", m.sequence);
}
void write(JsonObject& object, const Begun& m, Frame& frame) {
  object.text("kind", "begun");
  list(object, frame.header, m.items, [&frame](const BegunItem& item) {
    JsonObject one = begin_item(frame.header, item.id, item.attempt);
    one.unsigned_number("nonce", item.nonce);
    one.boolean("go", item.verdict == Verdict::go);
    one.number("timeout_ms", item.timeout_ms);
    if (!item.reason.empty()) one.text("reason", item.reason);
    one.end();
  });
}
void write(JsonObject& object, const Finished& m, Frame& frame) {
  object.text("kind", "finished");
  array(object, frame.header, "items", m.items);
}
void write(JsonObject& object, const CancelRun& m, Frame& frame) {
  object.text("kind", "cancel_run");
  array(object, frame.header, "items", m.items);
}
void write(JsonObject& object, const Strike& m, Frame&) {
  object.text("kind", "strike");
  object.text("mode", m.mode);
  object.text("point", m.point);
  object.number("after", m.after);
  object.number("duration_ms", m.duration_ms);
}

template <class Message>
Frame encode_any(const Message& message) {
  Frame frame;
  JsonObject object(frame.header);
  std::visit([&](const auto& m) { write(object, m, frame); }, message);
  object.end();
  return frame;
}

}  // namespace

Frame encode(const AgentMessage& message) { return encode_any(message); }
Frame encode(const ServerMessage& message) { return encode_any(message); }

}  // namespace duly
