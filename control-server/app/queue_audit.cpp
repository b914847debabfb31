#include "control-server/app/queue_audit.h"

#include <array>
#include <utility>

#include "common/amqp/broker.h"
#include "common/wire/json.h"

namespace duly {
namespace {

constexpr int kDepth = 8;
constexpr std::size_t kFindings = 1000;

// One queue as the broker tells it.
class QueueSettings {
 public:
  explicit QueueSettings(const Json& queue) : queue_(queue) {}

  [[nodiscard]] std::string name() const { return text_of(queue_, "name"); }
  // The value in force, and whose it is; null when nobody has set it.  Of what both set an argument wins, but
  // for limits, of which the lower does.
  [[nodiscard]] std::pair<const Json*, std::string> find(const std::string& key) const {
    const Json* argument = in("arguments", "x-" + key);
    const Json* policy = in("effective_policy_definition", key);
    if (argument != nullptr && policy != nullptr && argument->is_number() && policy->is_number() &&
        *policy < *argument)
      argument = nullptr;
    if (argument != nullptr) return {argument, "argument x-" + key};
    return {policy, "policy " + key};
  }
  [[nodiscard]] bool is(const char* key, bool value) const {
    const auto at = queue_.find(key);
    return at != queue_.end() && at->is_boolean() && at->get<bool>() == value;
  }
  static std::string text_of(const Json& object, const char* key) {
    const auto at = object.find(key);
    return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
  }

 private:
  // Nothing at all is an empty array in some versions of the broker.
  [[nodiscard]] const Json* in(const char* where, const std::string& key) const {
    const auto object = queue_.find(where);
    if (object == queue_.end() || !object->is_object()) return nullptr;
    const auto at = object->find(key);
    return at == object->end() ? nullptr : &*at;
  }

  const Json& queue_;
};

void look_at_limits(const QueueSettings& queue, std::vector<std::string>& found) {
  const auto [overflow, overflow_is] = queue.find("overflow");
  const bool rejects = overflow != nullptr && overflow->is_string() &&
                       overflow->get<std::string>().starts_with("reject-publish");
  constexpr std::array<std::pair<const char*, const char*>, 4> kHarmful = {
      {{"max-length", "drops the oldest messages when it is full"},
       {"max-length-bytes", "drops the oldest messages when it is full"},
       {"message-ttl", "drops messages that wait longer"},
       {"expires", "deletes the queue when nobody consumes it for so long"}}};
  for (const auto& [key, harm] : kHarmful) {
    const auto [value, is] = queue.find(key);
    if (value == nullptr || (rejects && std::string_view(key).starts_with("max-length"))) continue;
    found.push_back(queue.name() + ": " + is + " = " + dump_json(*value) + " " + harm);
  }
}

void look_at_dead_letters(const QueueSettings& queue, std::vector<std::string>& found) {
  if (queue.name() == topology::kDeadQueue) return;
  const auto [exchange, is] = queue.find("dead-letter-exchange");
  if (exchange == nullptr) {
    found.push_back(queue.name() + ": has no dead-letter exchange: what is rejected is dropped");
  } else if (*exchange != topology::kDeadExchange) {
    found.push_back(queue.name() + ": " + is + " = " + dump_json(*exchange) +
                    " takes what is rejected elsewhere");
  }
}

bool is_ours(const std::string& name) {
  return name.starts_with("duly.execute.") || name == topology::kDeadQueue ||
         name == topology::kSubmitQueue || name == topology::kResultsQueue;
}

}  // namespace

Result<std::vector<std::string>> find_lossy_settings(std::string_view answer) {
  const auto json = parse_json(answer, kDepth);
  if (!json) return json.error();
  if (!json->is_array()) return invalid("is no list of queues");
  std::vector<std::string> found;
  for (const Json& one : *json) {
    if (!one.is_object()) return invalid("has an entry that is no queue");
    const QueueSettings queue(one);
    if (!is_ours(queue.name()) || found.size() >= kFindings) continue;
    look_at_limits(queue, found);
    look_at_dead_letters(queue, found);
    if (queue.is("durable", false)) found.push_back(queue.name() + ": is not durable");
    if (queue.is("auto_delete", true)) found.push_back(queue.name() + ": is deleted with its last consumer");
  }
  return found;
}

}  // namespace duly
