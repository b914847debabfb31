// A schedule's row, written and read.
#include "control-server/store/columns.h"

namespace duly::columns {
namespace {

std::optional<std::int64_t> read_optional(Sql& query, int column) {
  if (query.is_null(column)) return std::nullopt;
  return query.integer(column);
}

void read_timing(Sql& query, ScheduleSpec& spec) {
  spec.timing.cron = query.text(4);
  spec.timing.every_ms = query.integer(5);
  spec.timing.time_zone = query.text(6);
  spec.timing.start_at_ms = read_optional(query, 7);
  spec.timing.end_at_ms = read_optional(query, 8);
  spec.enabled = query.integer(9) != 0;
  spec.overlap = static_cast<Overlap>(query.integer(10));
  spec.catch_up = static_cast<CatchUp>(query.integer(11));
  spec.catch_up_window_ms = query.integer(12);
  spec.catch_up_max = query.integer(13);
  spec.jitter_ms = query.integer(14);
}

void read_template(Sql& query, CommandSpec& command) {
  command.type = query.text(15);
  command.queue = query.text(16);
  command.key = query.text(17);
  command.priority = static_cast<int>(query.integer(18));
  command.retry = columns::read_retry(query.text(19));
  command.timeout_ms = query.integer(20);
  command.on_lost = static_cast<OnLost>(query.integer(21));
  command.labels = columns::read_labels(query.text(22));
  command.payload = make_bytes(query.text(23));
  command.deliver = columns::read_deliver(query, 24);
}

}  // namespace

void bind_optional(Sql& query, const std::optional<std::int64_t>& value) {
  value ? query.bind(*value) : query.bind_null();
}

ScheduleRow read_schedule(Sql& query) {
  ScheduleRow row;
  row.id = query.integer(0);
  row.spec.name = query.text(1);
  row.version = query.integer(2);
  row.spec.text = query.text(3);
  read_timing(query, row.spec);
  read_template(query, row.spec.command);
  row.created_ms = query.integer(27);
  row.updated_ms = query.integer(28);
  row.next_ms = read_optional(query, 29);
  row.buffered_ms = read_optional(query, 30);
  row.last_fire_ms = read_optional(query, 31);
  row.fired = query.integer(32);
  row.skipped = query.integer(33);
  row.spec.command.callback_url = query.text(34);
  return row;
}

void bind_schedule(Sql& query, const ScheduleSpec& spec, const std::string& retry,
                   const std::string& labels) {
  query.bind(spec.text).bind(spec.timing.cron).bind(spec.timing.every_ms).bind(spec.timing.time_zone);
  bind_optional(query, spec.timing.start_at_ms);
  bind_optional(query, spec.timing.end_at_ms);
  query.bind(spec.enabled ? 1 : 0).bind(static_cast<std::int64_t>(spec.overlap));
  query.bind(static_cast<std::int64_t>(spec.catch_up)).bind(spec.catch_up_window_ms).bind(spec.catch_up_max);
  query.bind(spec.jitter_ms);
  const CommandSpec& command = spec.command;
  query.bind(command.type).bind(command.queue).bind(command.key).bind(command.priority);
  query.bind(retry).bind(command.timeout_ms);
  query.bind(static_cast<std::int64_t>(command.on_lost)).bind(labels);
  query.bind_blob(*command.payload);
  bind_deliver(query, command.deliver);
}

}  // namespace duly::columns
