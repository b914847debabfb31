// The rows of commands on their way (queued or running), as the open transaction left them.
//
// Each step of a life changes the row that the step before it wrote a moment ago: without this every one of
// them reads it back.  What is here is what the database holds, uncommitted changes included; who rolls back
// clears it.  Engine thread. Limits.  kMost rows; when it is full it begins anew, and rows are read from the
// database as if it were not there.
#pragma once

#include <cstddef>
#include <map>
#include <optional>

#include "control-server/store/rows.h"

namespace duly {

class LiveRows {
 public:
  static constexpr std::size_t kMost = 32'768;

  [[nodiscard]] std::optional<StateRow> find(CommandId id) const {
    const auto at = rows_.find(id);
    return at == rows_.end() ? std::nullopt : std::optional(at->second);
  }
  // After every write of a row.
  void written(const StateRow& row) {
    if (row.state != State::queued && row.state != State::running) {
      rows_.erase(row.id);
      return;
    }
    if (rows_.size() >= kMost && !rows_.contains(row.id)) rows_.clear();
    rows_.insert_or_assign(row.id, row);
  }
  void clear() { rows_.clear(); }

  [[nodiscard]] auto begin() const { return rows_.begin(); }
  [[nodiscard]] auto end() const { return rows_.end(); }

 private:
  std::map<CommandId, StateRow> rows_;
};

}  // namespace duly
