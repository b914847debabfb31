// What has ended, and its removal.
#include <algorithm>

#include "common/base/planted.h"
#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {

std::vector<EndedRow> Store::ended(EndedPlace after, std::int64_t until_ms, int most) {
  std::vector<EndedRow> rows;
  Sql query = database_->query(kWalkEnded);
  query.bind(after.finished_ms).bind(after.id.value).bind(until_ms).bind(most);
  while (query.next()) rows.push_back(columns::read_ended(query));
  return rows;
}

bool Store::dead_letter_waits(CommandId id) {
  Sql query = database_->query("SELECT 1 FROM dead_outbox WHERE id = ? LIMIT 1");
  return query.bind(id.value).next();
}

std::int64_t Store::remove_ended(const EndedRow& row) {
  const std::int64_t id = row.place.id.value;
  DULY_ASSERT(is_end(row.state));
  database_->begin();
  std::int64_t bytes = 0;
  std::string labels;
  std::optional<std::pair<std::int64_t, std::int64_t>> fire;
  {
    Sql query = database_->query(
        "SELECT labels, schedule, fire_ms, length(payload) + coalesce(length(deliver_properties), 0) +"
        " coalesce((SELECT sum(length(result)) FROM attempt WHERE attempt.id = command.id), 0)"
        " FROM command WHERE id = ?");
    if (!query.bind(id).next()) return 0;  // after a failure, which commit() tells
    labels = query.text(0);
    if (!query.is_null(1)) fire = {query.integer(1), query.integer(2)};
    bytes = query.integer(3);
  }
  note_removed(row.place.id);
  forget_labels(row.place.id, labels);
  if (fire) {
    const char* sql =
        DULY_PLANTED("retention.fire")
            ? "DELETE FROM fire WHERE schedule = ? AND fire_ms = ? AND command = ?"
            : "UPDATE fire SET command = -command WHERE schedule = ? AND fire_ms = ? AND command = ?";
    database_->query(sql).bind(fire->first).bind(fire->second).bind(id).run();
  }
  if (!DULY_PLANTED("retention.attempts"))
    database_->query("DELETE FROM attempt WHERE id = ?").bind(id).run();
  database_->query("DELETE FROM event WHERE id = ?").bind(id).run();
  database_->query("DELETE FROM revision WHERE id = ?").bind(id).run();
  database_->query("DELETE FROM callback WHERE id = ?").bind(id).run();
  forget_edges(row.place.id, row.state);
  database_->query("DELETE FROM command WHERE id = ?").bind(id).run();
  const int gone = database_->query("DELETE FROM state WHERE id = ? AND state >= 4").bind(id).run();
  DULY_ASSERT(database_->failed() || gone == 1);
  StateRow counted;
  counted.queue = row.queue;
  counted.type = row.type;
  if (!DULY_PLANTED("retention.counters")) add_count(counted, row.state, -1);
  return bytes;
}

bool Store::in_open_workflow(CommandId id) {
  Sql query = database_->query(
      "SELECT 1 FROM node n JOIN workflow w ON w.id = n.workflow WHERE n.command = ? AND w.open > 0");
  return query.bind(id.value).next();
}

// What waited for a success that is gone has it.  The edge stays, until the child goes, when there was none,
// or when the child would take its result: such a child can never run (Engine::take_up).  With the last of
// its commands a workflow goes too.
void Store::forget_edges(CommandId id, State state) {
  database_->query("DELETE FROM edge WHERE child = ?").bind(id.value).run();
  if (is_success(state) || DULY_PLANTED("retention.edge")) {
    database_
        ->query(
            "DELETE FROM edge WHERE parent = ? AND NOT EXISTS"
            " (SELECT 1 FROM node WHERE node.command = edge.child AND fills = 1)")
        .bind(id.value)
        .run();
  }
  const auto known = node(id);
  if (!known) return;
  database_->query("DELETE FROM node WHERE command = ?").bind(id.value).run();
  database_
      ->query("DELETE FROM workflow WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM node WHERE workflow = ?1)")
      .bind(known->workflow.value)
      .run();
}

void Store::forget_labels(CommandId id, const std::string& labels) {
  for (const auto& [name, value] : columns::read_labels(labels)) {
    database_->query("DELETE FROM label WHERE name = ? AND value = ? AND id = ?")
        .bind(name)
        .bind(value)
        .bind(id.value)
        .run();
  }
}

// Ids are never given twice, also when the newest command is gone and the clock went back.
void Store::note_removed(CommandId id) {
  {
    Sql query = database_->query("SELECT max(id) FROM state");
    if (!query.next() || query.integer(0) != id.value) return;  // a later one tells as much
  }
  set_meta("highest_removed", std::max(id.value, meta("highest_removed", 0)));
}

}  // namespace duly
