// Messages to frames: one function per message.
#include "common/wire/json.h"
#include "common/wire/messages.h"

namespace duly {
namespace {

// ---- shared pieces
// -------------------------------------------------------------------------------------------

Json to_json(const AttemptRef& ref) { return {{"id", format_command_id(ref.id)}, {"attempt", ref.attempt}}; }
Json to_json(const Holding& holding) {
  return {{"shard", holding.shard.value}, {"epoch", holding.epoch.value}};
}

template <class Items>
Json to_array(const Items& items) {
  Json array = Json::array();
  for (const auto& item : items) array.push_back(to_json(item));
  return array;
}

// ---- writing: agent to server
// --------------------------------------------------------------------------------

Json write(const Hello& m, std::string&) {
  return {{"kind", "hello"},
          {"protocol", m.protocol},
          {"name", m.name},
          {"incarnation", m.incarnation.value},
          {"dispatch", m.dispatch},
          {"execute", m.execute},
          {"queues", m.queues},
          {"concurrency", m.concurrency},
          {"version", m.version},
          {"token", m.token},
          {"holdings", to_array(m.holdings)},
          {"in_hand", to_array(m.in_hand)},
          {"attempts", to_array(m.attempts)},
          {"draining", m.draining},
          {"fault_injection", m.fault_injection}};
}
Json write(const Heartbeat& m, std::string&) {
  return {{"kind", "heartbeat"},      {"sequence", m.sequence},
          {"in_flight", m.in_flight}, {"running", m.running},
          {"published", m.published}, {"executed", m.executed},
          {"broker_up", m.broker_up}, {"broker_blocked", m.broker_blocked}};
}
Json write(const Credit& m, std::string&) { return {{"kind", "credit"}, {"room", m.room}}; }
Json write(const Marks& m, std::string&) {
  Json items = Json::array();
  for (const MarkItem& item : m.items) {
    items.push_back({{"id", format_command_id(item.id)},
                     {"attempt", item.attempt},
                     {"token", item.token.value},
                     {"shard", item.shard.value},
                     {"epoch", item.epoch.value}});
  }
  return {{"kind", "marks"}, {"sequence", m.sequence}, {"items", std::move(items)}};
}
Json write(const GiveBack& m, std::string&) {
  Json items = Json::array();
  for (const GiveBackItem& item : m.items) {
    items.push_back({{"id", format_command_id(item.id)},
                     {"attempt", item.attempt},
                     {"shard", item.shard.value},
                     {"epoch", item.epoch.value},
                     {"reason", name_of(item.reason)}});
  }
  return {{"kind", "give_back"}, {"items", std::move(items)}};
}
Json write(const Released& m, std::string&) { return {{"kind", "released"}, {"items", to_array(m.items)}}; }
Json write(const Leaving&, std::string&) { return {{"kind", "leaving"}}; }
Json write(const Begin& m, std::string&) {
  Json items = Json::array();
  for (const BeginItem& item : m.items) {
    items.push_back({{"id", format_command_id(item.id)},
                     {"attempt", item.attempt},
                     {"token", item.token.value},
                     {"nonce", item.nonce}});
  }
  return {{"kind", "begin"}, {"items", std::move(items)}};
}
Json write(const Finish& m, std::string& bytes) {
  Json items = Json::array();
  for (const FinishItem& item : m.items) {
    Json json = {{"id", format_command_id(item.id)},
                 {"attempt", item.attempt},
                 {"outcome", name_of(item.outcome)},
                 {"retryable", item.retryable},
                 {"error", item.error}};
    if (item.result) {
      json["result_bytes"] = item.result->size();
      bytes += *item.result;
    }
    items.push_back(std::move(json));
  }
  return {{"kind", "finish"}, {"items", std::move(items)}};
}

// ---- writing: server to agent
// --------------------------------------------------------------------------------

Json write(const Welcome& m, std::string&) {
  return {{"kind", "welcome"}, {"lease_ttl_ms", m.lease_ttl_ms}, {"generation", m.generation}};
}
Json write(const Refused& m, std::string&) { return {{"kind", "refused"}, {"reason", m.reason}}; }
Json write(const HeartbeatAck& m, std::string&) {
  return {{"kind", "heartbeat_ack"}, {"sequence", m.sequence}};
}
Json write(const Lease& m, std::string&) { return {{"kind", "lease"}, {"items", to_array(m.items)}}; }
Json write(const Revoke& m, std::string&) { return {{"kind", "revoke"}, {"items", to_array(m.items)}}; }
Json write(const HandOut& m, std::string& bytes) {
  Json items = Json::array();
  for (const HandOutItem& item : m.items) {
    Json json = {{"id", format_command_id(item.id)},
                 {"attempt", item.attempt},
                 {"max_attempts", item.max_attempts},
                 {"shard", item.shard.value},
                 {"epoch", item.epoch.value},
                 {"token", item.token.value},
                 {"due_in_us", item.due_in_us},
                 {"due_at_ms", item.due_at_ms},
                 {"type", item.type},
                 {"queue", item.queue},
                 {"payload_bytes", item.payload->size()}};
    if (!item.key.empty()) json["key"] = item.key;
    if (!item.content_type.empty()) json["content_type"] = item.content_type;
    bytes += *item.payload;
    items.push_back(std::move(json));
  }
  return {{"kind", "hand_out"}, {"items", std::move(items)}};
}
Json write(const MarksAck& m, std::string&) { return {{"kind", "marks_ack"}, {"sequence", m.sequence}}; }
Json write(const Begun& m, std::string&) {
  Json items = Json::array();
  for (const BegunItem& item : m.items) {
    Json json = {{"id", format_command_id(item.id)},
                 {"attempt", item.attempt},
                 {"nonce", item.nonce},
                 {"go", item.verdict == Verdict::go},
                 {"timeout_ms", item.timeout_ms}};
    if (!item.reason.empty()) json["reason"] = item.reason;
    items.push_back(std::move(json));
  }
  return {{"kind", "begun"}, {"items", std::move(items)}};
}
Json write(const Finished& m, std::string&) { return {{"kind", "finished"}, {"items", to_array(m.items)}}; }
Json write(const CancelRun& m, std::string&) {
  return {{"kind", "cancel_run"}, {"items", to_array(m.items)}};
}
Json write(const Strike& m, std::string&) {
  return {{"kind", "strike"},
          {"mode", m.mode},
          {"point", m.point},
          {"after", m.after},
          {"duration_ms", m.duration_ms}};
}

template <class Message>
Frame encode_any(const Message& message) {
  Frame frame;
  const Json header = std::visit([&](const auto& m) { return write(m, frame.bytes); }, message);
  frame.header = dump_json(header);
  return frame;
}

}  // namespace

Frame encode(const AgentMessage& message) { return encode_any(message); }
Frame encode(const ServerMessage& message) { return encode_any(message); }

}  // namespace duly
