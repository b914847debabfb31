// Frames to messages: one function per message; everything a hostile peer may send gets an error.
#include <algorithm>
#include <array>

#include "common/model/limits.h"
#include "common/wire/flat_json.h"
#include "common/wire/messages.h"

namespace duly {
namespace {

constexpr std::int64_t kMost = INT64_MAX;

// ---- pieces
// --------------------------------------------------------------------------------------------------

// Remembers the first problem of a whole message.
struct Decoding {
  const Frame& frame;
  std::size_t taken = 0;  // of frame.bytes
  std::string problem;

  void note(const FlatReader& reader) {
    if (!reader.ok() && problem.empty()) problem = reader.error().what;
  }
  CommandId id(FlatReader& reader) {
    const auto parsed = parse_command_id(reader.text("id", 32));
    if (!parsed && problem.empty()) problem = "id is not a command id";
    return parsed.value_or(CommandId{});
  }
  Bytes bytes(std::int64_t length) {
    if (length < 0 || static_cast<std::size_t>(length) > frame.bytes.size() - taken) {
      if (problem.empty()) problem = "the payloads are longer than the frame";
      return make_bytes("");
    }
    auto part = make_bytes(frame.bytes.substr(taken, static_cast<std::size_t>(length)));
    taken += static_cast<std::size_t>(length);
    return part;
  }
};

int read_attempt(FlatReader& reader) { return static_cast<int>(reader.integer("attempt", 1, INT32_MAX)); }
ShardId read_shard(FlatReader& reader) {
  return {static_cast<std::int32_t>(reader.integer("shard", 0, 1 << 20))};
}
Token read_token(FlatReader& reader) {
  return {static_cast<std::int32_t>(reader.integer("token", 0, INT32_MAX))};
}
Epoch read_epoch(FlatReader& reader) { return {reader.integer("epoch", 0, kMost)}; }

template <class Item, class Read>
std::vector<Item> read_items(Decoding& decoding, const FlatValue& array, Read read) {
  std::vector<Item> items;
  items.reserve(array.size());
  for (const FlatValue element : array) {
    FlatReader reader(element);
    items.push_back(read(reader));
    decoding.note(reader);
    if (!decoding.problem.empty()) break;
  }
  return items;
}

std::vector<AttemptRef> read_refs(Decoding& d, const FlatValue& array) {
  return read_items<AttemptRef>(d, array, [&](FlatReader& r) {
    return AttemptRef{d.id(r), read_attempt(r)};
  });
}
std::vector<Holding> read_holdings(Decoding& d, const FlatValue& array) {
  return read_items<Holding>(d, array, [](FlatReader& r) { return Holding{read_shard(r), read_epoch(r)}; });
}
FlatValue items_of(FlatReader& reader) { return reader.array("items", limits::kFrameItems); }

template <class Enum, std::size_t N>
Enum read_enum(Decoding& d, FlatReader& reader, const char* field, const std::array<Enum, N>& all) {
  const std::string name = reader.text(field, 32);
  for (const Enum value : all) {
    if (name_of(value) == name) return value;
  }
  if (d.problem.empty()) d.problem = std::string(field) + " is not known";
  return all[0];
}

constexpr std::array kReasons = {GiveBackReason::drained, GiveBackReason::returned, GiveBackReason::rejected,
                                 GiveBackReason::in_doubt, GiveBackReason::broker_down};
constexpr std::array kMarkOutcomes = {MarkOutcome::published, MarkOutcome::delivered,
                                      MarkOutcome::unroutable};
constexpr std::array kOutcomes = {AttemptOutcome::succeeded,   AttemptOutcome::failed,
                                  AttemptOutcome::timed_out,   AttemptOutcome::lost,
                                  AttemptOutcome::handed_back, AttemptOutcome::cancelled};

// ---- reading: agent to server
// --------------------------------------------------------------------------------

Hello read_hello(Decoding& d, FlatReader& r) {
  Hello m;
  m.protocol = static_cast<int>(r.integer("protocol", 0, 1'000'000));
  m.name = r.text("name", limits::kNameBytes);
  m.incarnation = {r.unsigned_integer("incarnation")};
  m.dispatch = r.boolean("dispatch");
  m.execute = r.boolean("execute");
  for (const FlatValue queue : r.array("queues", limits::kQueues)) {
    if (!queue.is(FieldKind::text) && d.problem.empty())
      d.problem = "queues holds something that is not a text";
    if (queue.is(FieldKind::text)) m.queues.emplace_back(queue.text());
  }
  m.concurrency = static_cast<int>(r.integer("concurrency", 0, limits::kConcurrency));
  m.version = r.text("version", 64);
  m.token = r.text("token", 256);
  m.holdings = read_holdings(d, r.array("holdings", limits::kFrameItems));
  m.in_hand = read_refs(d, r.array("in_hand", limits::kFrameItems));
  m.attempts = read_refs(d, r.array("attempts", 4 * limits::kFrameItems));
  m.draining = r.boolean("draining");
  m.fault_injection = r.boolean("fault_injection");
  return m;
}
Heartbeat read_heartbeat(Decoding& d, FlatReader& r) {
  Heartbeat m;
  m.sequence = r.unsigned_integer("sequence");
  m.in_flight = r.integer("in_flight", 0, kMost);
  m.running = r.integer("running", 0, kMost);
  m.published = r.integer("published", 0, kMost);
  m.executed = r.integer("executed", 0, kMost);
  m.broker_up = r.boolean("broker_up");
  m.broker_blocked = r.boolean("broker_blocked");
  if (!r.has("circuits")) return m;
  m.circuits = read_items<OpenCircuit>(d, r.array("circuits", limits::kCircuitsTold), [](FlatReader& i) {
    return OpenCircuit{i.text("target", limits::kCircuitTargetBytes), i.boolean("probing")};
  });
  return m;
}
Credit read_credit(Decoding&, FlatReader& r) { return {r.integer("room", 0, 1'000'000)}; }
Marks read_marks(Decoding& d, FlatReader& r) {
  Marks m;
  m.sequence = r.unsigned_integer("sequence");
  m.items = read_items<MarkItem>(d, items_of(r), [&](FlatReader& i) {
    MarkItem item{d.id(i), read_attempt(i), read_token(i), read_shard(i), read_epoch(i)};
    if (i.has("outcome")) item.outcome = read_enum(d, i, "outcome", kMarkOutcomes);
    if (i.has("error")) item.error = i.text("error", limits::kErrorBytes);
    return item;
  });
  return m;
}
GiveBack read_give_back(Decoding& d, FlatReader& r) {
  return {read_items<GiveBackItem>(d, items_of(r), [&](FlatReader& i) {
    return GiveBackItem{d.id(i), read_attempt(i), read_shard(i), read_epoch(i),
                        read_enum(d, i, "reason", kReasons)};
  })};
}
Released read_released(Decoding& d, FlatReader& r) { return {read_holdings(d, items_of(r))}; }
Leaving read_leaving(Decoding&, FlatReader&) { return {}; }
Begin read_begin(Decoding& d, FlatReader& r) {
  return {read_items<BeginItem>(d, items_of(r), [&](FlatReader& i) {
    return BeginItem{d.id(i), read_attempt(i), read_token(i), i.unsigned_integer("nonce")};
  })};
}
Finish read_finish(Decoding& d, FlatReader& r) {
  return {read_items<FinishItem>(d, items_of(r), [&](FlatReader& i) {
    FinishItem item;
    item.id = d.id(i);
    item.attempt = read_attempt(i);
    item.outcome = read_enum(d, i, "outcome", kOutcomes);
    item.retryable = i.boolean("retryable");
    item.error = i.text("error", limits::kErrorBytes);
    if (i.has("retry_after_ms")) item.retry_after_ms = i.integer("retry_after_ms", 0, limits::kRetryAfterMs);
    if (i.has("result_bytes")) {
      item.result = d.bytes(i.integer("result_bytes", 0, static_cast<std::int64_t>(limits::kResultBytes)));
    }
    return item;
  })};
}

// ---- reading: server to agent
// --------------------------------------------------------------------------------

DeliverTarget read_target(Decoding& d, FlatReader& i) {
  DeliverTarget target;
  target.exchange = i.text("deliver_exchange", limits::kExchangeBytes);
  target.routing_key = i.text("deliver_routing_key", limits::kRoutingKeyBytes);
  const auto most = static_cast<std::int64_t>(limits::kPropertiesBytes);
  target.properties = *d.bytes(i.integer("properties_bytes", 0, most));
  return target;
}

// Not an error, whatever it is: see trace_context.h.
TracePtr read_item_trace(FlatReader& i) {
  const std::string parent = i.text("traceparent", limits::kTraceStateBytes);
  return read_trace(parent, i.has("tracestate") ? i.text("tracestate", limits::kTraceStateBytes) : "");
}

int read_bundle_size(FlatReader& r) {
  return static_cast<int>(r.integer("bundle", 1, std::int64_t{limits::kBundleCommands}));
}
std::vector<QueueBundle> read_bundles(Decoding& d, const FlatValue& array) {
  return read_items<QueueBundle>(d, array, [](FlatReader& r) {
    return QueueBundle{r.text("queue", limits::kQueueBytes), read_bundle_size(r)};
  });
}
Welcome read_welcome(Decoding& d, FlatReader& r) {
  Welcome m{r.integer("lease_ttl_ms", 1, 86'400'000), r.integer("generation", 0, kMost), {}};
  if (r.has("bundles")) m.bundles = read_bundles(d, r.array("bundles", limits::kQueues));
  return m;
}
Bundles read_bundle_changes(Decoding& d, FlatReader& r) { return {read_bundles(d, items_of(r))}; }
Refused read_refused(Decoding&, FlatReader& r) { return {r.text("reason", 1024)}; }
HeartbeatAck read_heartbeat_ack(Decoding&, FlatReader& r) { return {r.unsigned_integer("sequence")}; }
Lease read_lease(Decoding& d, FlatReader& r) { return {read_holdings(d, items_of(r))}; }
Revoke read_revoke(Decoding& d, FlatReader& r) { return {read_holdings(d, items_of(r))}; }
HandOut read_hand_out(Decoding& d, FlatReader& r) {
  return {read_items<HandOutItem>(d, items_of(r), [&](FlatReader& i) {
    HandOutItem item;
    item.id = d.id(i);
    item.attempt = read_attempt(i);
    item.max_attempts = static_cast<int>(i.integer("max_attempts", 0, INT32_MAX));
    item.shard = read_shard(i);
    item.epoch = read_epoch(i);
    item.token = read_token(i);
    item.due_in_us = i.integer("due_in_us", INT64_MIN, kMost);
    item.due_at_ms = i.integer("due_at_ms", INT64_MIN, kMost);
    item.type = i.text("type", limits::kTypeBytes);
    item.queue = i.text("queue", limits::kQueueBytes);
    if (i.has("key")) item.key = i.text("key", limits::kKeyBytes);
    if (i.has("content_type")) item.content_type = i.text("content_type", limits::kContentTypeBytes);
    if (i.has("bundle")) item.bundle = read_bundle_size(i);
    if (i.has("traceparent")) item.trace = read_item_trace(i);
    item.payload = d.bytes(i.integer("payload_bytes", 0, static_cast<std::int64_t>(limits::kPayloadBytes)));
    if (i.has("deliver_exchange")) item.deliver = read_target(d, i);
    return item;
  })};
}
MarksAck read_marks_ack(Decoding&, FlatReader& r) { return {r.unsigned_integer("sequence")}; }
Begun read_begun(Decoding& d, FlatReader& r) {
  return {read_items<BegunItem>(d, items_of(r), [&](FlatReader& i) {
    BegunItem item;
    item.id = d.id(i);
    item.attempt = read_attempt(i);
    item.nonce = i.unsigned_integer("nonce");
    item.verdict = i.boolean("go") ? Verdict::go : Verdict::drop;
    if (i.has("reason")) item.reason = i.text("reason", 256);
    item.timeout_ms = i.integer("timeout_ms", 0, kMost);
    return item;
  })};
}
Finished read_finished(Decoding& d, FlatReader& r) { return {read_refs(d, items_of(r))}; }
CancelRun read_cancel_run(Decoding& d, FlatReader& r) { return {read_refs(d, items_of(r))}; }
Strike read_strike(Decoding&, FlatReader& r) {
  return {r.text("mode", 16), r.text("point", 64), r.integer("after", 1, 1'000'000'000),
          r.integer("duration_ms", 0, 86'400'000)};
}

template <class Message>
struct Kind {
  const char* name;
  Message (*read)(Decoding&, FlatReader&);
};

template <class Message, auto Read>
Message read_as(Decoding& d, FlatReader& r) {
  return Read(d, r);
}

using A = AgentMessage;
constexpr Kind<A> kAgentKinds[] = {
    {"heartbeat", read_as<A, read_heartbeat>}, {"marks", read_as<A, read_marks>},
    {"begin", read_as<A, read_begin>},         {"finish", read_as<A, read_finish>},
    {"credit", read_as<A, read_credit>},       {"hello", read_as<A, read_hello>},
    {"give_back", read_as<A, read_give_back>}, {"released", read_as<A, read_released>},
    {"leaving", read_as<A, read_leaving>},
};
using S = ServerMessage;
constexpr Kind<S> kServerKinds[] = {
    {"hand_out", read_as<S, read_hand_out>},
    {"marks_ack", read_as<S, read_marks_ack>},
    {"begun", read_as<S, read_begun>},
    {"finished", read_as<S, read_finished>},
    {"heartbeat_ack", read_as<S, read_heartbeat_ack>},
    {"lease", read_as<S, read_lease>},
    {"revoke", read_as<S, read_revoke>},
    {"welcome", read_as<S, read_welcome>},
    {"refused", read_as<S, read_refused>},
    {"cancel_run", read_as<S, read_cancel_run>},
    {"strike", read_as<S, read_strike>},
    {"bundles", read_as<S, read_bundle_changes>},
};

constexpr int kHeaderDepth = 4;

template <class Message, std::size_t N>
Result<Message> decode_any(const Frame& frame, const Kind<Message> (&kinds)[N]) {
  const auto header = FlatJson::parse(frame.header, kHeaderDepth);
  if (!header) return header.error();
  FlatReader reader(*header);
  const std::string kind = reader.text("kind", 32);
  const auto* known =
      std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& k) { return k.name == kind; });
  if (known == std::end(kinds)) return invalid(reader.ok() ? "unknown kind of frame" : reader.error().what);
  Decoding decoding{frame, 0, {}};
  Message message = known->read(decoding, reader);
  decoding.note(reader);
  if (!decoding.problem.empty()) return invalid(kind + ": " + decoding.problem);
  if (decoding.taken != frame.bytes.size()) return invalid(kind + ": the frame is longer than its payloads");
  return message;
}

}  // namespace

Result<AgentMessage> decode_agent_message(const Frame& frame) { return decode_any(frame, kAgentKinds); }
Result<ServerMessage> decode_server_message(const Frame& frame) { return decode_any(frame, kServerKinds); }

}  // namespace duly
