#include "control-server/api/command_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/raw_json.h"
#include "control-server/api/api_support.h"
#include "control-server/api/deliver_json.h"

namespace duly {
namespace {

// One command being read: where its fields go, and where complaints do.
struct Reading {
  NewCommand& out;
  const CommandSource& source;
  Complaints& complaints;

  CommandSpec& spec() { return out.spec; }
  void complain(std::string_view field, std::string detail) {
    complaints.add(source.at + "/" + std::string(field), std::move(detail));
  }
};

std::string bounds(std::int64_t least, std::int64_t most) {
  return "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most);
}

std::int64_t read_integer(Reading& r, std::string_view field, const Json& value, std::int64_t least,
                          std::int64_t most) {
  const bool fits = value.is_number_unsigned()
                        ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(most) &&
                              value.get<std::int64_t>() >= least
                        : value.is_number_integer() && value.get<std::int64_t>() >= least &&
                              value.get<std::int64_t>() <= most;
  if (fits) return value.get<std::int64_t>();
  r.complain(field, bounds(least, most));
  return least;
}

double read_real(Reading& r, std::string_view field, const Json& value, double least, double most,
                 const char* range) {
  if (value.is_number() && value.get<double>() >= least && value.get<double>() <= most)
    return value.get<double>();
  r.complain(field, std::string("must be a number from ") + range);
  return least;
}

std::string read_name(Reading& r, std::string_view field, const Json& value, std::size_t most) {
  if (value.is_string() && is_plain_name(value.get_ref<const std::string&>(), most))
    return value.get<std::string>();
  r.complain(field, "must be 1 to " + std::to_string(most) + " characters of [A-Za-z0-9._-]");
  return {};
}

void read_type(Reading& r, const Json& value) {
  r.spec().type = read_name(r, "type", value, limits::kTypeBytes);
}
void read_queue(Reading& r, const Json& value) {
  r.spec().queue = read_name(r, "queue", value, limits::kQueueBytes);
}

void read_payload(Reading& r, const Json&) {
  if (r.source.payload) {
    r.spec().payload = r.source.payload;
    return;
  }
  const auto raw = raw_member(r.source.raw, "payload");
  DULY_ASSERT(raw);
  if (raw->size() > limits::kPayloadBytes) {
    r.complaints.add_too_large(r.source.at + "/payload",
                               "is larger than " + std::to_string(limits::kPayloadBytes) + " bytes");
    return;
  }
  r.spec().payload = make_bytes(std::string(*raw));
}

void read_due_at(Reading& r, const Json& value) {
  r.spec().due_at_ms = read_due(value, r.source.at + "/due_at", r.source.now_ms, r.complaints);
}
void read_delay(Reading& r, const Json& value) {
  r.spec().delay_ms = read_integer(r, "delay_ms", value, 0, limits::kDelayMs);
}
void read_priority(Reading& r, const Json& value) {
  r.spec().priority = static_cast<int>(read_integer(r, "priority", value, 0, limits::kPriority));
}
void read_key(Reading& r, const Json& value) {
  if (value.is_string() && is_valid_key(value.get_ref<const std::string&>())) {
    r.spec().key = value.get<std::string>();
  } else {
    r.complain("key", "must be a string of 1 to 256 bytes without control characters");
  }
}

void read_retry_field(Reading& r, const std::string& name, const Json& value) {
  RetryPolicy& retry = r.spec().retry;
  const std::string field = "retry/" + pointer_token(name);
  if (name == "max_attempts") {
    retry.max_attempts = static_cast<int>(read_integer(r, field, value, 1, limits::kMaxAttempts));
  } else if (name == "initial_delay_ms") {
    retry.initial_delay_ms = read_integer(r, field, value, 0, limits::kRetryDelayMs);
  } else if (name == "multiplier") {
    retry.multiplier = read_real(r, field, value, 1.0, 100.0, "1 to 100");
  } else if (name == "max_delay_ms") {
    retry.max_delay_ms = read_integer(r, field, value, 0, limits::kRetryDelayMs);
  } else if (name == "jitter") {
    retry.jitter = read_real(r, field, value, 0.0, 1.0, "0 to 1");
  } else {
    r.complain(field, "unknown field");
  }
}

void read_retry(Reading& r, const Json& value) {
  if (!value.is_object()) return r.complain("retry", "must be an object");
  for (const auto& item : value.items()) read_retry_field(r, item.key(), item.value());
}

void read_timeout(Reading& r, const Json& value) {
  r.spec().timeout_ms = read_integer(r, "timeout_ms", value, 1, limits::kTimeoutMs);
}

void read_expires_at(Reading& r, const Json& value) {
  const auto at = value.is_string() ? parse_instant(value.get_ref<const std::string&>()) : std::nullopt;
  if (!at) return r.complain("expires_at", "must be an RFC 3339 instant");
  r.spec().expires_at_ms = *at;
}

void read_labels(Reading& r, const Json& value) {
  if (!value.is_object()) return r.complain("labels", "must be an object of strings");
  if (value.size() > limits::kLabels) {
    return r.complain("labels", "must hold at most " + std::to_string(limits::kLabels) + " pairs");
  }
  for (const auto& item : value.items()) {
    const std::string field = "labels/" + pointer_token(item.key());
    if (item.key().empty() || item.key().size() > limits::kLabelNameBytes) {
      r.complain(field, "must have a name of 1 to " + std::to_string(limits::kLabelNameBytes) + " bytes");
    } else if (!item.value().is_string() ||
               item.value().get_ref<const std::string&>().size() > limits::kLabelValueBytes) {
      r.complain(field, "must be a string of at most " + std::to_string(limits::kLabelValueBytes) + " bytes");
    } else {
      r.spec().labels.emplace(item.key(), item.value().get<std::string>());
    }
  }
}

void read_on_lost(Reading& r, const Json& value) {
  if (value == "retry") {
    r.spec().on_lost = OnLost::retry;
  } else if (value == "dead") {
    r.spec().on_lost = OnLost::dead;
  } else {
    r.complain("on_lost", "must be \"retry\" or \"dead\"");
  }
}

void read_depends_on(Reading& r, const Json& value) {
  if (r.source.depends_on_names) return;  // read with the workflow
  if (!value.is_array() || value.size() > limits::kDependsOn) {
    return r.complain("depends_on",
                      "must be an array of at most " + std::to_string(limits::kDependsOn) + " command ids");
  }
  std::set<CommandId> seen;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto id =
        value[i].is_string() ? parse_command_id(value[i].get_ref<const std::string&>()) : std::nullopt;
    const std::string field = "depends_on/" + std::to_string(i);
    if (!id) {
      r.complain(field, "must be the id of a command");
    } else if (!seen.insert(*id).second) {
      r.complain(field, "is named twice");
    }
    if (id) r.spec().depends_on.push_back(*id);
  }
}
void read_deliver_later(Reading&, const Json&) {}  // see check_together
// Whether it may be called is the engine's to say.
void read_callback_url(Reading& r, const Json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : std::string();
  const bool http = text.starts_with("http://") || text.starts_with("https://");
  if (!http || text.size() > limits::kCallbackUrlBytes)
    return r.complain("callback_url", "must be an http or https URL of at most " +
                                          std::to_string(limits::kCallbackUrlBytes) + " bytes");
  r.spec().callback_url = text;
}

void read_node_name(Reading& r, const Json&) {
  if (!r.source.depends_on_names) r.complain("name", "unknown field");  // else read with the workflow
}

void read_idempotency_key(Reading& r, const Json& value) {
  if (!r.source.in_batch)
    return r.complain("idempotency_key", "unknown field; use the Idempotency-Key header");
  if (value.is_string() && !value.get_ref<const std::string&>().empty() &&
      value.get_ref<const std::string&>().size() <= limits::kIdempotencyKeyBytes) {
    r.out.idempotency_key = value.get<std::string>();
  } else {
    r.complain("idempotency_key", "must be a string of 1 to 255 bytes");
  }
}

struct FieldRule {
  std::string_view name;
  void (*read)(Reading&, const Json&);
};
constexpr std::array kRules = {
    FieldRule{"type", &read_type},
    FieldRule{"queue", &read_queue},
    FieldRule{"payload", &read_payload},
    FieldRule{"due_at", &read_due_at},
    FieldRule{"delay_ms", &read_delay},
    FieldRule{"priority", &read_priority},
    FieldRule{"key", &read_key},
    FieldRule{"retry", &read_retry},
    FieldRule{"timeout_ms", &read_timeout},
    FieldRule{"expires_at", &read_expires_at},
    FieldRule{"labels", &read_labels},
    FieldRule{"on_lost", &read_on_lost},
    FieldRule{"depends_on", &read_depends_on},
    FieldRule{"deliver", &read_deliver_later},
    FieldRule{"callback_url", &read_callback_url},
    FieldRule{"idempotency_key", &read_idempotency_key},
    FieldRule{"name", &read_node_name},
};

void read_field(Reading& r, const std::string& name, const Json& value) {
  const auto rule =
      std::find_if(kRules.begin(), kRules.end(), [&](const FieldRule& known) { return known.name == name; });
  if (rule == kRules.end()) return r.complain(pointer_token(name), "unknown field");
  rule->read(r, value);
}

// What several fields must agree on.
void check_together(Reading& r, const Json& object) {
  CommandSpec& spec = r.spec();
  if (!object.contains("type")) r.complain("type", "is required");
  if (const auto deliver = object.find("deliver"); deliver != object.end())
    spec.deliver = read_deliver(*deliver, spec.type, r.source.at, r.complaints);
  if (object.contains("due_at") && object.contains("delay_ms")) {
    r.complain("due_at", "cannot be given together with delay_ms");
    r.complain("delay_ms", "cannot be given together with due_at");
    return;
  }
  // Whether it is still to come is asked by the engine, and only of what is new: the same request must get
  // the same answer when it is sent again later.
  if (spec.expires_at_ms && spec.due_at_ms && *spec.expires_at_ms <= *spec.due_at_ms) {
    r.complain("expires_at", "must be after the due time");
  }
}

}  // namespace

bool is_plain_name(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool is_valid_key(std::string_view text) {
  return !text.empty() && text.size() <= limits::kKeyBytes &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
}

std::int64_t read_due(const Json& value, const std::string& pointer, std::int64_t now_ms,
                      Complaints& complaints) {
  const auto at = value.is_string() ? parse_instant(value.get_ref<const std::string&>()) : std::nullopt;
  if (!at) {
    complaints.add(pointer, "must be an RFC 3339 instant");
    return 0;
  }
  if (*at > now_ms + limits::kDelayMs) complaints.add(pointer, "must be at most ten years ahead");
  return *at;
}

NewCommand read_command(const Json& object, const CommandSource& source, Complaints& complaints) {
  NewCommand command;
  if (!object.is_object()) {
    complaints.add(source.at, "must be an object");
    return command;
  }
  Reading reading{command, source, complaints};
  for (const auto& item : object.items()) read_field(reading, item.key(), item.value());
  check_together(reading, object);
  if (!command.spec.payload) command.spec.payload = make_bytes("null");
  return command;
}

std::uint64_t meaning_hash(const Json& object) {
  if (!object.is_object() || !object.contains("idempotency_key")) return stable_hash(dump_json(object));
  Json meaning = object;
  meaning.erase("idempotency_key");
  return stable_hash(dump_json(meaning));
}

}  // namespace duly
