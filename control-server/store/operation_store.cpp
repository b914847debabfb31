// Operations: their rows, their filters, and the walk that finds what a filter means.
#include <algorithm>

#include "common/wire/json.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {
namespace {

constexpr std::string_view kPrefix = "op_";

OperationRow read_operation(Sql& query) {
  OperationRow row;
  row.id = CommandId{query.integer(0)};
  row.kind = static_cast<OperationKind>(query.integer(1));
  row.state = static_cast<OperationState>(query.integer(2));
  row.dry_run = query.integer(3) != 0;
  row.filter = query.text(4);
  row.who = query.text(5);
  row.cursor = CommandId{query.integer(6)};
  row.matched = query.integer(7);
  row.changed = query.integer(8);
  row.skipped = query.integer(9);
  row.created_ms = query.integer(10);
  row.finished_ms = query.integer(11);
  return row;
}

}  // namespace

#define DULY_OPERATION_COLUMNS \
  "id, kind, state, dry_run, filter, who, cursor, matched, changed, skipped, created_ms, finished_ms"

std::string format_operation_id(CommandId id) { return format_id(kPrefix, id); }
std::optional<CommandId> parse_operation_id(std::string_view text) { return parse_id(kPrefix, text); }

// ---- filters
// ---------------------------------------------------------------------------------------------------

std::string filter_text(const OperationFilter& filter) {
  Json json = Json::object();
  const CommandFilter& match = filter.match;
  if (match.state) json["state"] = name_of(*match.state);
  if (!match.type.empty()) json["type"] = match.type;
  if (!match.queue.empty()) json["queue"] = match.queue;
  if (!match.key.empty()) json["key"] = match.key;
  for (const auto& [name, value] : match.labels) json["labels"][name] = value;
  if (match.due_before_ms) json["due_before"] = format_instant(*match.due_before_ms);
  if (match.due_after_ms) json["due_after"] = format_instant(*match.due_after_ms);
  for (const CommandId id : filter.ids) json["ids"].push_back(format_command_id(id));
  if (filter.all) json["all"] = true;
  return dump_json(json);
}

std::optional<OperationFilter> read_filter(const std::string& text) {
  const auto json = parse_json(text, 3);
  if (!json || !json->is_object()) return std::nullopt;
  OperationFilter filter;
  for (const auto& [name, value] : json->items()) {
    if (name == "state") {
      filter.match.state = state_named(value.get<std::string>());
      if (!filter.match.state) return std::nullopt;
    } else if (name == "type") {
      filter.match.type = value.get<std::string>();
    } else if (name == "queue") {
      filter.match.queue = value.get<std::string>();
    } else if (name == "key") {
      filter.match.key = value.get<std::string>();
    } else if (name == "labels") {
      for (const auto& [label, wanted] : value.items())
        filter.match.labels.emplace_back(label, wanted.get<std::string>());
    } else if (name == "due_before") {
      filter.match.due_before_ms = parse_instant(value.get<std::string>());
    } else if (name == "due_after") {
      filter.match.due_after_ms = parse_instant(value.get<std::string>());
    } else if (name == "ids") {
      for (const Json& id : value) filter.ids.push_back(parse_command_id(id.get<std::string>()).value());
    } else if (name == "all") {
      filter.all = true;
    } else {
      return std::nullopt;  // to pass over a criterion would act on more than was asked for
    }
  }
  return filter;
}

// ---- rows
// ------------------------------------------------------------------------------------------------------

void Store::insert_operation(const OperationRow& row) {
  database_->begin();
  Sql query = database_->query("INSERT INTO operation (" DULY_OPERATION_COLUMNS
                               ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query.bind(row.id.value).bind(static_cast<std::int64_t>(row.kind));
  query.bind(static_cast<std::int64_t>(row.state)).bind(row.dry_run ? 1 : 0).bind(row.filter).bind(row.who);
  query.bind(row.cursor.value).bind(row.matched).bind(row.changed).bind(row.skipped);
  query.bind(row.created_ms).bind(row.finished_ms).run();
}

void Store::update_operation(const OperationRow& row) {
  database_->begin();
  Sql query = database_->query(
      "UPDATE operation SET state = ?, cursor = ?, matched = ?, changed = ?, skipped = ?, finished_ms = ?"
      " WHERE id = ?");
  query.bind(static_cast<std::int64_t>(row.state)).bind(row.cursor.value).bind(row.matched);
  query.bind(row.changed).bind(row.skipped).bind(row.finished_ms).bind(row.id.value).run();
}

std::optional<OperationRow> Store::operation(CommandId id) {
  Sql query = database_->query("SELECT " DULY_OPERATION_COLUMNS " FROM operation WHERE id = ?");
  if (!query.bind(id.value).next()) return std::nullopt;
  return read_operation(query);
}

std::vector<OperationRow> Store::operations(std::size_t most) {
  std::vector<OperationRow> rows;
  Sql query = database_->query("SELECT " DULY_OPERATION_COLUMNS " FROM operation ORDER BY id DESC LIMIT ?");
  query.bind(static_cast<std::int64_t>(most));
  while (query.next()) rows.push_back(read_operation(query));
  return rows;
}

std::vector<OperationRow> Store::running_operations() {
  std::vector<OperationRow> rows;
  Sql query =
      database_->query("SELECT " DULY_OPERATION_COLUMNS " FROM operation WHERE state = 0 ORDER BY id");
  while (query.next()) rows.push_back(read_operation(query));
  return rows;
}

void Store::prune_operations(std::size_t keep) {
  database_->begin();
  database_
      ->query(
          "DELETE FROM operation WHERE state <> 0 AND id <= (SELECT id FROM operation ORDER BY id DESC LIMIT "
          "1 OFFSET ?)")
      .bind(static_cast<std::int64_t>(keep))
      .run();
}

// ---- the walk
// --------------------------------------------------------------------------------------------------

namespace {

// Downwards from ?1, at most ?2 rows; ?3 and ?4 are what the index asks for.
#define DULY_WALK "SELECT s.id, s.state, s.queue, s.type, s.due_ms, s.key_hash FROM "
constexpr const char* kWalkAll = DULY_WALK "state s WHERE s.id < ?1 ORDER BY s.id DESC LIMIT ?2";
constexpr const char* kWalkQueued = DULY_WALK
    "state s INDEXED BY state_active WHERE s.state IN (2, 3) AND s.state = 2 AND s.id < ?1"
    " ORDER BY s.id DESC LIMIT ?2";
constexpr const char* kWalkRunning = DULY_WALK
    "state s INDEXED BY state_active WHERE s.state IN (2, 3) AND s.state = 3 AND s.id < ?1"
    " ORDER BY s.id DESC LIMIT ?2";
constexpr const char* kWalkKey =
    DULY_WALK "state s WHERE s.key_hash = ?3 AND s.id < ?1 ORDER BY s.id DESC LIMIT ?2";
constexpr const char* kWalkLabel = DULY_WALK
    "label l JOIN state s ON s.id = l.id WHERE l.id < ?1 AND l.name = ?3 AND l.value = ?4 ORDER BY l.id DESC "
    "LIMIT ?2";
#undef DULY_WALK

const char* walk_of(const CommandFilter& match) {
  if (!match.key.empty()) return kWalkKey;
  if (!match.labels.empty()) return kWalkLabel;
  if (match.state == State::queued) return kWalkQueued;
  if (match.state == State::running) return kWalkRunning;
  return kWalkAll;
}

}  // namespace

bool Store::matches(const CommandFilter& match, const StateRow& row) {
  const auto number = [](const std::string& wanted, const auto& names, std::int32_t is) {
    const auto at = names.find(wanted);
    return wanted.empty() || (at != names.end() && at->second == is);
  };
  if (match.state && *match.state != row.state) return false;
  if (!number(match.queue, queues_, row.queue) || !number(match.type, types_, row.type)) return false;
  if (match.due_before_ms && row.due_ms >= *match.due_before_ms) return false;
  if (match.due_after_ms && row.due_ms <= *match.due_after_ms) return false;
  if (!match.key.empty()) {
    Sql key = database_->query("SELECT key FROM command WHERE id = ?");
    if (!key.bind(row.id.value).next() || key.text(0) != match.key) return false;
  }
  return std::all_of(match.labels.begin(), match.labels.end(), [&](const auto& label) {
    Sql has = database_->query("SELECT 1 FROM label WHERE name = ? AND value = ? AND id = ?");
    return has.bind(label.first).bind(label.second).bind(row.id.value).next();
  });
}

Store::Found Store::find_matching(const OperationFilter& filter, CommandId below, int looks, int most) {
  if (!filter.ids.empty()) return find_listed(filter, below, most);
  Found found;
  found.cursor = below;
  std::vector<StateRow> rows;
  {
    Sql query = database_->query(walk_of(filter.match));
    query.bind(below.value).bind(looks);
    if (!filter.match.key.empty()) {
      query.bind(key_hash_of(filter.match.key));
    } else if (!filter.match.labels.empty()) {
      query.bind(filter.match.labels.front().first).bind(filter.match.labels.front().second);
    }
    while (query.next()) {
      StateRow row;
      row.id = CommandId{query.integer(0)};
      row.state = static_cast<State>(query.integer(1));
      row.queue = static_cast<QueueNumber>(query.integer(2));
      row.type = static_cast<TypeNumber>(query.integer(3));
      row.due_ms = query.integer(4);
      rows.push_back(row);
    }
  }
  for (const StateRow& row : rows) {
    if (static_cast<int>(found.ids.size()) == most) return found;
    found.cursor = row.id;
    if (matches(filter.match, row)) found.ids.push_back(row.id);
  }
  found.end = static_cast<int>(rows.size()) < looks;
  return found;
}

Store::Found Store::find_listed(const OperationFilter& filter, CommandId below, int most) {
  std::vector<CommandId> ids = filter.ids;
  std::sort(ids.rbegin(), ids.rend());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  Found found;
  found.cursor = below;
  for (const CommandId id : ids) {
    if (id >= below) continue;
    if (static_cast<int>(found.ids.size()) == most) return found;
    found.cursor = id;
    const auto row = find(id);
    if (row && matches(filter.match, *row)) found.ids.push_back(id);
  }
  found.end = true;
  return found;
}

}  // namespace duly
