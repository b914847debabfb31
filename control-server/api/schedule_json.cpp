#include "control-server/api/schedule_json.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/json_text.h"
#include "common/wire/raw_json.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"

namespace duly {
namespace {

constexpr std::int64_t kLeastEveryMs = 100;
constexpr std::int64_t kMostEveryMs = 10LL * 366 * 86'400'000;
constexpr std::int64_t kMostJitterMs = 86'400'000;
constexpr std::int64_t kMostWindowMs = 366LL * 86'400'000;
constexpr std::int64_t kMostCaughtUp = 1000;
constexpr std::size_t kCronBytes = 256;
constexpr std::size_t kZoneBytes = 64;

struct ScheduleReading {
  ScheduleSpec& out;
  std::string_view raw;
  Complaints& complaints;
};

std::optional<std::int64_t> whole(const Json& value, std::int64_t least, std::int64_t most) {
  const bool small =
      value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
  if (!small || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most) return std::nullopt;
  return value.get<std::int64_t>();
}

std::int64_t read_whole(ScheduleReading& r, const char* pointer, const Json& value, std::int64_t least,
                        std::int64_t most) {
  const auto number = whole(value, least, most);
  if (!number) {
    r.complaints.add(pointer,
                     "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number.value_or(least);
}

void read_text(ScheduleReading& r, const char* pointer, const Json& value, std::size_t most,
               std::string& out) {
  if (value.is_string() && !value.get_ref<const std::string&>().empty() &&
      value.get_ref<const std::string&>().size() <= most) {
    out = value.get<std::string>();
  } else {
    r.complaints.add(pointer, "must be a string of 1 to " + std::to_string(most) + " bytes");
  }
}

std::optional<std::int64_t> read_instant(ScheduleReading& r, const char* pointer, const Json& value) {
  if (value.is_null()) return std::nullopt;
  const auto at = value.is_string() ? parse_instant(value.get_ref<const std::string&>()) : std::nullopt;
  if (!at) r.complaints.add(pointer, "must be an RFC 3339 instant");
  return at;
}

void read_name(ScheduleReading& r, const Json& value) {
  if (value.is_string() && is_plain_name(value.get_ref<const std::string&>(), limits::kTypeBytes)) {
    const auto& name = value.get_ref<const std::string&>();
    if (!r.out.name.empty() && r.out.name != name)
      r.complaints.add("/name", "must be the name in the path: a schedule keeps its name");
    r.out.name = name;
  } else {
    r.complaints.add("/name", "must be 1 to 128 characters of [A-Za-z0-9._-]");
  }
}

void read_cron(ScheduleReading& r, const Json& value) {
  read_text(r, "/cron", value, kCronBytes, r.out.timing.cron);
}
void read_every(ScheduleReading& r, const Json& value) {
  r.out.timing.every_ms = read_whole(r, "/every_ms", value, kLeastEveryMs, kMostEveryMs);
}
void read_zone(ScheduleReading& r, const Json& value) {
  read_text(r, "/time_zone", value, kZoneBytes, r.out.timing.time_zone);
}
void read_start(ScheduleReading& r, const Json& value) {
  r.out.timing.start_at_ms = read_instant(r, "/start_at", value);
}
void read_end(ScheduleReading& r, const Json& value) {
  r.out.timing.end_at_ms = read_instant(r, "/end_at", value);
}
void read_jitter(ScheduleReading& r, const Json& value) {
  r.out.jitter_ms = read_whole(r, "/jitter_ms", value, 0, kMostJitterMs);
}

void read_enabled(ScheduleReading& r, const Json& value) {
  if (!value.is_boolean()) return r.complaints.add("/enabled", "must be true or false");
  r.out.enabled = value.get<bool>();
}

void read_overlap(ScheduleReading& r, const Json& value) {
  const auto overlap = value.is_string() ? overlap_named(value.get_ref<const std::string&>()) : std::nullopt;
  if (!overlap)
    return r.complaints.add("/overlap", R"(must be "allow", "skip", "buffer_one" or "cancel_other")");
  r.out.overlap = *overlap;
}

void read_catch_up(ScheduleReading& r, const Json& value) {
  if (!value.is_object()) return r.complaints.add("/catch_up", "must be an object");
  for (const auto& item : value.items()) {
    if (item.key() == "policy") {
      const auto policy = item.value().is_string()
                              ? catch_up_named(item.value().get_ref<const std::string&>())
                              : std::nullopt;
      if (!policy) r.complaints.add("/catch_up/policy", R"(must be "skip", "one" or "all")");
      r.out.catch_up = policy.value_or(CatchUp::one);
    } else if (item.key() == "window_ms") {
      r.out.catch_up_window_ms = read_whole(r, "/catch_up/window_ms", item.value(), 0, kMostWindowMs);
    } else if (item.key() == "max") {
      r.out.catch_up_max = read_whole(r, "/catch_up/max", item.value(), 1, kMostCaughtUp);
    } else {
      r.complaints.add("/catch_up/" + pointer_token(item.key()), "unknown field");
    }
  }
}

void read_template(ScheduleReading& r, const Json& value) {
  if (!value.is_object()) return r.complaints.add("/command", "must be an object");
  for (const char* const field : {"due_at", "delay_ms", "expires_at", "depends_on", "idempotency_key"}) {
    if (value.contains(field))
      r.complaints.add(std::string("/command/") + field, "has no meaning in a schedule");
  }
  if (!r.complaints.empty()) return;
  const auto raw = raw_member(r.raw, "command");
  DULY_ASSERT(raw);
  r.out.command = read_command(value, {*raw, "/command", false, 0}, r.complaints).spec;
}

struct FieldRule {
  std::string_view name;
  void (*read)(ScheduleReading&, const Json&);
};
constexpr std::array kRules = {
    FieldRule{"name", &read_name},        FieldRule{"cron", &read_cron},
    FieldRule{"every_ms", &read_every},   FieldRule{"time_zone", &read_zone},
    FieldRule{"command", &read_template}, FieldRule{"enabled", &read_enabled},
    FieldRule{"overlap", &read_overlap},  FieldRule{"catch_up", &read_catch_up},
    FieldRule{"jitter_ms", &read_jitter}, FieldRule{"start_at", &read_start},
    FieldRule{"end_at", &read_end},
};

void check_together(ScheduleReading& r, const Json& object) {
  if (r.out.name.empty() && !object.contains("name")) r.complaints.add("/name", "is required");
  if (!object.contains("command")) r.complaints.add("/command", "is required");
  const bool cron = object.contains("cron");
  if (cron == object.contains("every_ms"))
    r.complaints.add(cron ? "/every_ms" : "/cron",
                     cron ? "cannot be given together with cron" : "cron or every_ms is required");
  const ScheduleTiming& timing = r.out.timing;
  if (timing.start_at_ms && timing.end_at_ms && *timing.end_at_ms < *timing.start_at_ms)
    r.complaints.add("/end_at", "must not be before start_at");
  if (!r.complaints.empty()) return;
  const auto made = Timetable::make(timing, r.out.name);
  if (made) {
    if (!made->next(timing.start_at_ms.value_or(0) - 1)) r.complaints.add("/end_at", "it would never fire");
    return;
  }
  const std::string& what = made.error().what;  // "cron: …"
  const std::size_t colon = what.find(": ");
  r.complaints.add("/" + what.substr(0, colon), what.substr(colon + 2));
}

// What is stored and shown: every field with its value, the command as the client wrote it.
std::string describe(const ScheduleSpec& spec, std::string_view raw_command) {
  std::string text;
  JsonObject object(text);
  object.text("name", spec.name);
  if (spec.timing.cron.empty()) {
    object.number("every_ms", spec.timing.every_ms);
  } else {
    object.text("cron", spec.timing.cron);
  }
  object.text("time_zone", spec.timing.time_zone);
  object.raw("command", raw_command);
  object.text("overlap", name_of(spec.overlap));
  object.begin("catch_up");
  JsonObject catch_up(text);
  catch_up.text("policy", name_of(spec.catch_up));
  catch_up.number("window_ms", spec.catch_up_window_ms);
  catch_up.number("max", spec.catch_up_max);
  catch_up.end();
  object.number("jitter_ms", spec.jitter_ms);
  object.instant("start_at", spec.timing.start_at_ms);
  object.instant("end_at", spec.timing.end_at_ms);
  object.end();
  return text;
}

// `text` is an object: more members can follow without it being parsed.
void append_open(std::string& out, const std::string& text, bool enabled) {
  out.append(text, 0, text.size() - 1);
  out += enabled ? ",\"enabled\":true" : ",\"enabled\":false";
}

void append_member(std::string& out, const char* name, std::int64_t value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

void append_instant(std::string& out, const char* name, std::optional<std::int64_t> at_ms) {
  out.append(",\"").append(name).append("\":");
  out += at_ms ? '"' + format_instant(*at_ms) + '"' : "null";
}

}  // namespace

ScheduleSpec read_schedule(const Json& object, std::string_view raw, std::string_view name,
                           Complaints& complaints) {
  ScheduleSpec spec;
  spec.name = name;
  ScheduleReading reading{spec, raw, complaints};
  for (const auto& item : object.items()) {
    const auto rule = std::find_if(kRules.begin(), kRules.end(),
                                   [&](const FieldRule& known) { return known.name == item.key(); });
    if (rule == kRules.end()) {
      complaints.add("/" + pointer_token(item.key()), "unknown field");
    } else {
      rule->read(reading, item.value());
    }
  }
  check_together(reading, object);
  if (complaints.empty()) spec.text = describe(spec, raw_member(raw, "command").value());
  return spec;
}

void append_schedule_json(std::string& out, const ScheduleRow& row) {
  append_open(out, row.spec.text, row.spec.enabled);
  append_member(out, "version", row.version);
  append_instant(out, "created_at", row.created_ms);
  append_instant(out, "updated_at", row.updated_ms);
  append_instant(out, "next_fire_at", row.next_ms);
  append_instant(out, "last_fire_at", row.last_fire_ms);
  append_instant(out, "buffered_fire_at", row.buffered_ms);
  append_member(out, "fired", row.fired);
  append_member(out, "skipped", row.skipped);
  out += '}';
}

void append_version_json(std::string& out, const Reader::ScheduleVersion& version) {
  out += '{';
  out.append("\"version\":").append(std::to_string(version.version));
  append_instant(out, "at", version.at_ms);
  out += ",\"who\":";
  append_json_string(out, version.who);
  out += ",\"what\":";
  append_json_string(out, version.what);
  out += ",\"schedule\":";
  append_open(out, version.text, version.enabled);
  out += "}}";
}

}  // namespace duly
