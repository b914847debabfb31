// Queues: whether they are paused, what limits them, and what their rate has counted.
#include "common/base/planted.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {

std::vector<QueueRow> Store::queues() {
  std::vector<QueueRow> rows;
  Sql query = database_->query(
      "SELECT name.number, name.text, coalesce(queue.paused, 0), queue.max_running, queue.rate_count,"
      " queue.rate_per_ms, coalesce(queue.bundle, 1) FROM name LEFT JOIN queue USING (number) WHERE "
      "name.kind = 1 ORDER BY name.number");
  while (query.next()) {
    QueueRow row{static_cast<QueueNumber>(query.integer(0)), query.text(1), query.integer(2) != 0, {}};
    if (!query.is_null(3)) row.limits.max_running = query.integer(3);
    if (!query.is_null(4)) row.limits.rate = StartRate{query.integer(4), query.integer(5)};
    row.limits.bundle = query.integer(6);
    rows.push_back(std::move(row));
  }
  return rows;
}

void Store::set_queue_paused(QueueNumber queue, bool paused) {
  database_->begin();
  database_
      ->query(
          "INSERT INTO queue (number, paused) VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET paused = "
          "excluded.paused")
      .bind(queue)
      .bind(paused ? 1 : 0)
      .run();
}

void Store::set_queue_limits(QueueNumber queue, const QueueLimits& limits) {
  database_->begin();
  Sql query = database_->query(
      "INSERT INTO queue (number, max_running, rate_count, rate_per_ms, bundle) VALUES (?, ?, ?, ?, ?)"
      " ON CONFLICT (number) DO UPDATE SET max_running = excluded.max_running,"
      " rate_count = excluded.rate_count, rate_per_ms = excluded.rate_per_ms, bundle = excluded.bundle");
  query.bind(queue);
  limits.max_running ? query.bind(*limits.max_running) : query.bind_null();
  limits.rate ? query.bind(limits.rate->count) : query.bind_null();
  limits.rate ? query.bind(limits.rate->per_ms) : query.bind_null();
  query.bind(limits.bundle).run();
  if (limits.rate) return;
  database_->query("DELETE FROM rate_slice WHERE queue = ?").bind(queue).run();
}

std::vector<RateSlice> Store::rate_slices(QueueNumber queue) {
  std::vector<RateSlice> slices;
  Sql query = database_->query("SELECT end_ms, starts FROM rate_slice WHERE queue = ? ORDER BY end_ms");
  query.bind(queue);
  while (query.next()) slices.push_back({query.integer(0), query.integer(1)});
  return slices;
}

void Store::put_rate_slice(QueueNumber queue, const RateSlice& slice, std::int64_t forget_ms) {
  if (DULY_PLANTED("limit.stored")) return;
  database_->begin();
  database_
      ->query(
          "INSERT INTO rate_slice (queue, end_ms, starts) VALUES (?, ?, ?)"
          " ON CONFLICT (queue, end_ms) DO UPDATE SET starts = excluded.starts")
      .bind(queue)
      .bind(slice.end_ms)
      .bind(slice.starts)
      .run();
  if (slice.starts > 1) return;  // only with a new one can an old one have had its time
  database_->query("DELETE FROM rate_slice WHERE queue = ? AND end_ms < ?").bind(queue).bind(forget_ms).run();
}

}  // namespace duly
