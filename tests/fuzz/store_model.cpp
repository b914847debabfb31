#include "tests/fuzz/store_model.h"

#include <algorithm>

#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

bool same(const StateRow& a, const StateRow& b) {
  return a.id == b.id && a.state == b.state && a.shard == b.shard && a.queue == b.queue && a.type == b.type &&
         a.priority == b.priority && a.due_ms == b.due_ms && a.order_ms == b.order_ms && a.token == b.token &&
         a.attempt == b.attempt && a.base_attempt == b.base_attempt && a.max_attempts == b.max_attempts &&
         a.losses == b.losses && a.key_hash == b.key_hash && a.expires_ms == b.expires_ms &&
         a.queued_ms == b.queued_ms && a.started_ms == b.started_ms && a.epoch == b.epoch &&
         a.publisher == b.publisher && a.executor == b.executor && a.nonce == b.nonce &&
         a.finished_ms == b.finished_ms && a.reason == b.reason;
}

// Numbers of names may change when the transaction that made them is undone.
StateRow expected(const Store& store, const ModelCommand& command) {
  StateRow row = command.row;
  row.queue = store.find_queue(command.spec.queue).value_or(-1);
  return row;
}

std::vector<StateRow> expected_if(const Store& store, const StoreModel& model, auto matches) {
  std::vector<StateRow> rows;
  for (const auto& [id, command] : model.commands) {
    const StateRow row = expected(store, command);
    if (matches(row)) rows.push_back(row);
  }
  return rows;
}

bool same(const std::vector<StateRow>& a, const std::vector<StateRow>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return same(x, y); });
}

void compare_rows(Store& store, const StoreModel& model) {
  for (const auto& [id, command] : model.commands) {
    const auto row = store.find(id);
    FUZZ_CHECK(row && same(*row, expected(store, command)));
    const auto body = store.body(id);
    FUZZ_CHECK(body && body->type == command.spec.type && body->queue == command.spec.queue);
    FUZZ_CHECK(body->key == command.spec.key && *body->payload == *command.spec.payload);
    FUZZ_CHECK(body->retry == command.spec.retry && body->timeout_ms == command.spec.timeout_ms);
    FUZZ_CHECK(body->on_lost == command.spec.on_lost);
  }
  std::size_t rows = 0;
  store.each_state([&](const StateRow& row) {
    ++rows;
    FUZZ_CHECK(model.commands.contains(row.id));
  });
  FUZZ_CHECK(rows == model.commands.size());
  std::size_t attempts = 0;
  std::size_t expected_attempts = 0;
  store.each_attempt([&](const AttemptRow&) { ++attempts; });
  for (const auto& [id, command] : model.commands) {
    expected_attempts += static_cast<std::size_t>(command.attempts_stored);
  }
  FUZZ_CHECK(attempts == expected_attempts);
  FUZZ_CHECK(store.last_id() == (model.commands.empty() ? CommandId{0} : model.commands.rbegin()->first));
}

void compare_counters(Store& store, const StoreModel& model) {
  std::map<std::pair<std::string, State>, std::int64_t> counts;
  for (const auto& [id, command] : model.commands) ++counts[{command.spec.queue, command.row.state}];
  for (const State state : kStates) {
    std::int64_t all = 0;
    for (const QueueRow& queue : store.queues()) {
      const auto at = counts.find({queue.name, state});
      const std::int64_t count = at == counts.end() ? 0 : at->second;
      FUZZ_CHECK(store.count(queue.number, state) == count);
      all += count;
    }
    FUZZ_CHECK(store.count(state) == all);
  }
}

void compare_ready(Store& store, const StoreModel& model, int which) {
  const ShardId shard{which % kShards};
  const auto queue = store.find_queue("q" + std::to_string(which % 3));
  if (!queue) return;
  const std::pair from{std::int64_t{which % 40}, CommandId{which % 7}};
  const std::int64_t until = from.first + which % 50;
  const LaneKey lane{shard, *queue, which % 10};
  auto due = expected_if(store, model, [&](const StateRow& row) {
    return row.state == State::scheduled && lane_of(row) == lane && std::pair{row.due_ms, row.id} >= from;
  });
  std::sort(due.begin(), due.end(), [](const auto& a, const auto& b) {
    return std::pair{a.due_ms, a.id} < std::pair{b.due_ms, b.id};
  });
  const auto next = store.next_due(lane, from);
  FUZZ_CHECK(next.has_value() == !due.empty() && (!next || *next == due.front().due_ms));
  std::erase_if(due, [&](const StateRow& row) { return row.due_ms > until; });
  const std::size_t most = 1 + static_cast<std::size_t>(which) % 5;
  if (due.size() > most) due.resize(most);
  const auto ready = store.ready(lane, from, until, most);
  FUZZ_CHECK(ready.size() == due.size());
  for (std::size_t i = 0; i < ready.size(); ++i) {
    const StateRow& row = due[i];
    FUZZ_CHECK(ready[i].id == row.id && ready[i].due_ms == row.due_ms && ready[i].priority == row.priority);
    FUZZ_CHECK(ready[i].attempt == row.next_attempt() && ready[i].token == row.token);
    FUZZ_CHECK(ready[i].max_attempts == row.base_attempt + row.max_attempts &&
               ready[i].key_hash == row.key_hash);
  }
}

void compare_lists(Store& store, const StoreModel& model, int which) {
  std::set<LaneKey> lanes;
  for (const StateRow& row :
       expected_if(store, model, [](const auto& r) { return r.state == State::scheduled; })) {
    lanes.insert(lane_of(row));
  }
  FUZZ_CHECK(store.lanes() == std::vector(lanes.begin(), lanes.end()));
  FUZZ_CHECK(same(store.running(),
                  expected_if(store, model, [](const auto& r) { return r.state == State::running; })));
  if (const auto queue = store.find_queue("q" + std::to_string(which % 3))) {
    const std::int64_t before = which % 60;
    FUZZ_CHECK(same(store.queued(*queue, before, 1000), expected_if(store, model, [&](const auto& r) {
                      return r.state == State::queued && r.queue == *queue && r.queued_ms < before;
                    })));
  }
  std::set<CommandId> expiring;
  for (const auto& [id, command] : model.commands) {
    const StateRow& row = command.row;
    const bool open =
        row.state == State::waiting || row.state == State::scheduled || row.state == State::queued;
    if (open && row.expires_ms != 0 && row.expires_ms <= which) expiring.insert(id);
  }
  const auto found = store.expiring(which, 1000);
  FUZZ_CHECK(std::set(found.begin(), found.end()) == expiring && found.size() == expiring.size());
}

void compare_key(Store& store, const StoreModel& model, const std::string& key) {
  auto live = expected_if(store, model, [&](const StateRow& row) {
    const bool alive =
        row.state == State::scheduled || row.state == State::queued || row.state == State::running;
    return alive && row.key_hash == key_hash_of(key);
  });
  std::sort(live.begin(), live.end(), [](const auto& a, const auto& b) {
    return std::pair{a.order_ms, a.id} < std::pair{b.order_ms, b.id};
  });
  const auto head = store.key_head(key_hash_of(key));
  FUZZ_CHECK(head.has_value() == !live.empty() && (!head || same(*head, live.front())));
  const bool busy =
      std::any_of(live.begin(), live.end(), [](const auto& r) { return r.state != State::scheduled; });
  FUZZ_CHECK(store.key_busy(key_hash_of(key)) == busy);
}

void compare_rest(Store& store, const StoreModel& model) {
  for (const auto& [key, kept] : model.idempotent) {
    const auto row = store.idempotent(key);
    FUZZ_CHECK(row && row->id == kept.first.id && row->body_hash == kept.first.body_hash);
  }
  const auto shards = store.shard_rows();
  FUZZ_CHECK(shards.size() == model.shards.size());
  for (const ShardRow& row : shards) {
    const ShardRow& kept = model.shards.at(row.shard);
    FUZZ_CHECK(row.epoch == kept.epoch && row.agent == kept.agent && row.incarnation == kept.incarnation);
    FUZZ_CHECK(row.pinned == kept.pinned);
  }
  FUZZ_CHECK(store.dead_outbox(1000) == std::vector(model.dead.begin(), model.dead.end()));
  FUZZ_CHECK(store.dead_outbox_size() == static_cast<std::int64_t>(model.dead.size()));
  for (const QueueRow& queue : store.queues()) FUZZ_CHECK(queue.paused == model.paused.contains(queue.name));
}

bool matches(const CommandFilter& filter, const ModelCommand& command) {
  const auto label = [&](const auto& wanted) {
    const auto at = command.spec.labels.find(wanted.first);
    return at != command.spec.labels.end() && at->second == wanted.second;
  };
  return (!filter.state || *filter.state == command.row.state) &&
         (filter.queue.empty() || filter.queue == command.spec.queue) &&
         (filter.type.empty() || filter.type == command.spec.type) &&
         (filter.key.empty() || filter.key == command.spec.key) &&
         (!filter.due_before_ms || command.row.due_ms < *filter.due_before_ms) &&
         (!filter.due_after_ms || command.row.due_ms > *filter.due_after_ms) &&
         std::all_of(filter.labels.begin(), filter.labels.end(), label);
}

CommandFilter filter_number(int which) {
  CommandFilter filter;
  if (which & 1) filter.state = kStates[static_cast<std::size_t>(which / 64) % kStates.size()];
  if (which & 2) filter.queue = "q" + std::to_string(which / 64 % 3);
  if (which & 4) filter.type = "t1";
  if (which & 8) filter.key = "k1";
  if (which & 16) filter.labels = {{"a", "1"}};
  if (which & 32) filter.due_after_ms = which / 64 % 40;
  return filter;
}

}  // namespace

void compare(Store& store, const StoreModel& model, int which) {
  compare_rows(store, model);
  compare_counters(store, model);
  compare_ready(store, model, which);
  compare_lists(store, model, which);
  compare_key(store, model, "k" + std::to_string(which % 2));
  compare_rest(store, model);
}

void compare(Reader& reader, const StoreModel& committed, int which) {
  const CommandFilter filter = filter_number(which);
  std::vector<CommandId> expected;
  for (const auto& [id, command] : committed.commands) {
    if (matches(filter, command)) expected.push_back(id);
  }
  std::reverse(expected.begin(), expected.end());
  std::vector<CommandId> walked;
  std::optional<CommandId> below;
  do {
    const auto page = reader.list(filter, below, 1 + which % 4);
    FUZZ_CHECK(page.ok());
    for (const CommandView& view : page->items) walked.push_back(view.id);
    FUZZ_CHECK(walked.size() <= expected.size() && (!page->next || !below || *page->next < *below));
    below = page->next;
  } while (below);
  FUZZ_CHECK(walked == expected);
  for (const auto& [id, command] : committed.commands) {
    const auto view = reader.command(id);
    FUZZ_CHECK(view.ok() && view->state == command.row.state && view->spec.labels == command.spec.labels);
    const bool open = command.row.state == State::queued || command.row.state == State::running;
    FUZZ_CHECK(view->attempts.size() == static_cast<std::size_t>(command.attempts_stored) + (open ? 1 : 0));
  }
  FUZZ_CHECK(!reader.command(CommandId{INT64_MAX}).ok());
}

}  // namespace duly::fuzz
