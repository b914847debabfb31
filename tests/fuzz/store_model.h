// What the store must hold, in ordinary containers: the other side of the sequence fuzzer.
//
// It knows nothing of SQL, transactions or indexes: a commit copies it, a rollback copies it back, and each
// question is answered by looking at everything.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control-server/store/reader.h"
#include "control-server/store/store.h"

namespace duly::fuzz {

inline constexpr int kShards = 4;

struct ModelCommand {
  StateRow row;  // queue and type numbers as of now; names below
  CommandSpec spec;
  int attempts_stored = 0;
};

struct StoreModel {
  std::map<CommandId, ModelCommand> commands;
  std::map<std::string, std::pair<IdempotencyRow, std::int64_t>> idempotent;  // and until when
  std::map<ShardId, ShardRow> shards;
  std::set<std::pair<CommandId, int>> dead;
  std::set<std::string> paused;
};

// Every question the engine asks of the store, answered by both.  `next` says which of the many parameters to
// try.
void compare(Store& store, const StoreModel& model, int which);
// The same for what clients see: only what is committed.
void compare(Reader& reader, const StoreModel& committed, int which);

}  // namespace duly::fuzz
