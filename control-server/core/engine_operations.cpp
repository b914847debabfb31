// One act on many commands: cancel or redrive whatever a filter finds, in steps of one batch each.
//
// A step looks at a bounded number of rows and changes a smaller one, in the transaction of its batch, with
// the place where it goes on: a restart continues from there.  Between two steps there is room for everything
// else.  It walks from the newest command to the oldest, so that of a key's commands the later ones go first
// and none of them starts meanwhile; ids rise, so what is made after its beginning is never met.
#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "common/wire/json.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

std::string operation_json(const OperationRow& row) {
  const Json finished = row.finished_ms == 0 ? Json(nullptr) : Json(format_instant(row.finished_ms));
  const auto filter = parse_json(row.filter, 3);
  return dump_json({{"id", format_operation_id(row.id)},
                    {"kind", name_of(row.kind)},
                    {"filter", filter ? *filter : Json(nullptr)},
                    {"dry_run", row.dry_run},
                    {"state", name_of(row.state)},
                    {"matched", row.matched},
                    {"changed", row.changed},
                    {"skipped", row.skipped},
                    {"created_at", format_instant(row.created_ms)},
                    {"finished_at", finished},
                    {"by", row.who}});
}

std::string counts_text(const OperationRow& row) {
  return "matched " + std::to_string(row.matched) + ", changed " + std::to_string(row.changed) +
         ", skipped " + std::to_string(row.skipped);
}

}  // namespace

void Engine::load_operations() {
  if (DULY_PLANTED("operation.resume")) return;
  for (OperationRow& row : store_.running_operations()) {
    auto filter = read_filter(row.filter);
    if (!filter) {
      log(LogLevel::error, "engine", "operation cannot be continued: its filter is not understood",
          {{"operation", format_operation_id(row.id)}});
      end_operation(row, OperationState::failed, "server");
      continue;
    }
    const CommandId id = row.id;
    operations_.emplace(id, Operation{std::move(row), std::move(*filter)});
  }
}

// ---- by hand
// ---------------------------------------------------------------------------------------------------

void Engine::on(StartOperation& input) {
  if (operations_.size() >= limits::kOperationsRunning) {
    return answer(input.reply, Problem{409, "Conflict", "too many operations are running", "", 0});
  }
  Operation operation;
  OperationRow& row = operation.row;
  row.id = ids_.next(now_.wall);
  row.kind = input.kind;
  row.dry_run = input.dry_run;
  row.filter = filter_text(input.filter);
  row.who = input.actor.name;
  row.cursor = row.id;
  row.created_ms = now_ms();
  operation.filter = std::move(input.filter);
  store_.insert_operation(row);
  store_.prune_operations(limits::kOperationsKept);
  store_.append_audit(now_ms(), input.actor, "commands." + std::string(name_of(row.kind)),
                      format_operation_id(row.id), row.dry_run ? "dry run " + row.filter : row.filter);
  answer(input.reply, JsonBody{202, operation_json(row)});
  const CommandId id = row.id;
  operations_.emplace(id, std::move(operation));
}

void Engine::on(StopOperation& input) {
  const auto row = store_.operation(input.id);
  if (!row) return answer(input.reply, Problem{404, "Not found", "there is no such operation", "", 0});
  const auto at = operations_.find(input.id);
  if (at == operations_.end()) {
    const std::string detail = "the operation is " + std::string(name_of(row->state));
    if (row->state != OperationState::stopped)
      return answer(input.reply, Problem{409, "Conflict", detail, "", 0});
    return answer(input.reply, JsonBody{200, operation_json(*row)});
  }
  end_operation(at->second.row, OperationState::stopped, input.actor);
  answer(input.reply, JsonBody{200, operation_json(at->second.row)});
  operations_.erase(at);
}

void Engine::end_operation(OperationRow& row, OperationState state, const Actor& who) {
  row.state = state;
  row.finished_ms = now_ms();
  store_.update_operation(row);
  store_.append_audit(now_ms(), who, "operation." + std::string(name_of(state)), format_operation_id(row.id),
                      counts_text(row));
}

std::optional<std::string> Engine::one_operation_json(CommandId id) {
  const auto row = store_.operation(id);
  if (!row) return std::nullopt;
  return operation_json(*row);
}

std::string Engine::operations_json() {
  std::string items;
  for (const OperationRow& row : store_.operations(limits::kOperationsKept)) {
    if (!items.empty()) items += ',';
    items += operation_json(row);
  }
  return "{\"items\":[" + items + "],\"next_cursor\":null}";
}

// ---- step by step
// ----------------------------------------------------------------------------------------------

// One step of one operation, each in its turn.  With little disk left they wait: the room is for recording
// the work that was accepted.
void Engine::step_operations() {
  if (operations_.empty() || now_.mono < next_operation_) return;
  next_operation_ = now_.mono + (disk_low_ ? Duration{seconds{1}} : Duration{limits::kOperationPause});
  if (disk_low_) return;
  auto at = operations_.upper_bound(last_operation_);
  if (at == operations_.end()) at = operations_.begin();
  last_operation_ = at->first;
  Operation& operation = at->second;
  const Store::Found found = store_.find_matching(operation.filter, operation.row.cursor,
                                                  limits::kOperationLooks, config_.operation_rows);
  for (const CommandId id : found.ids) act(operation.row, id);
  operation.row.cursor =
      DULY_PLANTED("operation.cursor") ? CommandId{found.cursor.value - (1LL << 30)} : found.cursor;
  if (!found.end) return store_.update_operation(operation.row);
  end_operation(operation.row, OperationState::done, "server");
  operations_.erase(at);
}

void Engine::act(OperationRow& operation, CommandId id) {
  auto row = store_.find(id);
  if (!row) return;
  ++operation.matched;
  const Move move = operation.kind == OperationKind::cancel ? Move::cancel : Move::redrive;
  if (!after(row->state, move)) {
    ++operation.skipped;
    return;
  }
  if (operation.dry_run) return;
  const std::string why = ", by operation " + format_operation_id(operation.id);
  operation.kind == OperationKind::cancel ? cancel(*row, operation.who, why)
                                          : redrive(*row, operation.who, why);
  ++operation.changed;
}

}  // namespace duly
