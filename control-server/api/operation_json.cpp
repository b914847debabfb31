#include "control-server/api/operation_json.h"

#include <algorithm>
#include <string>

#include "common/model/limits.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"

namespace duly {
namespace {

struct OperationReading {
  StartOperation& out;
  Complaints& complaints;
  int criteria = 0;

  CommandFilter& match() { return out.filter.match; }
};

const std::string* text_of(const Json& value) {
  return value.is_string() ? &value.get_ref<const std::string&>() : nullptr;
}

void read_state(OperationReading& r, const Json& value) {
  const std::string* text = text_of(value);
  if (text != nullptr) r.match().state = state_named(*text);
  if (!r.match().state) r.complaints.add("/state", "must be a state of a command");
}

// A name of a type or queue.
void read_name(OperationReading& r, const Json& value, std::string& out, const char* pointer,
               std::size_t most) {
  const std::string* text = text_of(value);
  if (text != nullptr && is_plain_name(*text, most)) {
    out = *text;
  } else {
    r.complaints.add(pointer, "must be 1 to " + std::to_string(most) + " characters of [A-Za-z0-9._-]");
  }
}
void read_type(OperationReading& r, const Json& value) {
  read_name(r, value, r.match().type, "/type", limits::kTypeBytes);
}
void read_queue(OperationReading& r, const Json& value) {
  read_name(r, value, r.match().queue, "/queue", limits::kQueueBytes);
}

void read_key(OperationReading& r, const Json& value) {
  const std::string* text = text_of(value);
  if (text != nullptr && is_valid_key(*text)) {
    r.match().key = *text;
  } else {
    r.complaints.add("/key", "must be a string of 1 to 256 bytes without control characters");
  }
}

void read_labels(OperationReading& r, const Json& value) {
  if (!value.is_object() || value.empty() || value.size() > limits::kLabels)
    return r.complaints.add("/labels", "must be an object with 1 to 16 members");
  for (const auto& [name, wanted] : value.items()) {
    const std::string* text = text_of(wanted);
    if (text != nullptr && !name.empty() && name.size() <= limits::kLabelNameBytes &&
        text->size() <= limits::kLabelValueBytes) {
      r.match().labels.emplace_back(name, *text);
    } else {
      r.complaints.add("/labels/" + pointer_token(name),
                       "must be a string of at most 256 bytes, and its name 1 to 64 bytes");
    }
  }
}

void read_instant(OperationReading& r, const Json& value, std::optional<std::int64_t>& out,
                  const char* pointer) {
  const std::string* text = text_of(value);
  if (text != nullptr) out = parse_instant(*text);
  if (!out) r.complaints.add(pointer, "must be an RFC 3339 instant");
}
void read_due_before(OperationReading& r, const Json& value) {
  read_instant(r, value, r.match().due_before_ms, "/due_before");
}
void read_due_after(OperationReading& r, const Json& value) {
  read_instant(r, value, r.match().due_after_ms, "/due_after");
}

void read_ids(OperationReading& r, const Json& value) {
  if (!value.is_array() || value.empty() || value.size() > limits::kOperationIds)
    return r.complaints.add("/ids",
                            "must be 1 to " + std::to_string(limits::kOperationIds) + " ids of commands");
  for (std::size_t i = 0; i < value.size() && !r.complaints.full(); ++i) {
    const std::string* text = text_of(value[i]);
    const auto id = text != nullptr ? parse_command_id(*text) : std::nullopt;
    if (id) {
      r.out.filter.ids.push_back(*id);
    } else {
      r.complaints.add("/ids/" + std::to_string(i), "is not the id of a command");
    }
  }
}

struct Criterion {
  std::string_view name;
  void (*read)(OperationReading&, const Json&);
};
constexpr Criterion kCriteria[] = {{"state", &read_state},         {"type", &read_type},
                                   {"queue", &read_queue},         {"key", &read_key},
                                   {"labels", &read_labels},       {"due_before", &read_due_before},
                                   {"due_after", &read_due_after}, {"ids", &read_ids}};

// A switch: absent is false.
bool read_switch(OperationReading& r, const Json& body, const char* name) {
  const auto field = body.find(name);
  if (field == body.end()) return false;
  if (field->is_boolean()) return field->get<bool>();
  r.complaints.add(std::string("/") + name, "must be true or false");
  return false;
}

}  // namespace

StartOperation read_operation(const Json& body, OperationKind kind, Complaints& complaints) {
  StartOperation operation;
  operation.kind = kind;
  OperationReading r{operation, complaints};
  refuse_unknown(
      body, {"state", "type", "queue", "key", "labels", "due_before", "due_after", "ids", "all", "dry_run"},
      complaints);
  for (const Criterion& criterion : kCriteria) {
    const auto field = body.find(criterion.name);
    if (field == body.end()) continue;
    ++r.criteria;
    criterion.read(r, *field);
  }
  operation.dry_run = read_switch(r, body, "dry_run");
  operation.filter.all = read_switch(r, body, "all");
  if (operation.filter.all && r.criteria > 0)
    complaints.add("/all", "cannot be given together with another criterion");
  if (!operation.filter.all && r.criteria == 0 && complaints.empty())
    complaints.add("", "names no command: give a criterion, or \"all\": true");
  return operation;
}

}  // namespace duly
