// The rows of commands on their way (ready soon, queued or running), as the open transaction left them.
//
// Each step of a life changes the row that the step before it wrote, or that was read for the ready window, a
// moment ago: without this every one of them reads it back.  What is here is what the database holds,
// uncommitted changes included; who rolls back clears it.  Engine thread.
// Limits.  kMost rows on their way: when they are more it begins anew.  kMostReady scheduled ones: what comes
// when they are more is not kept.  What is not here is read from the database as if nothing ever were.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/id_map.h"
#include "control-server/store/rows.h"

namespace duly {

class LiveRows {
 public:
  static constexpr std::size_t kMost = 32'768;
  static constexpr std::size_t kMostReady = 65'536;

  struct Live {
    StateRow row;
    std::optional<AttemptTerms> terms;  // which never change; nothing = nobody has looked yet
  };

  [[nodiscard]] std::optional<StateRow> find(CommandId id) const {
    const Live* live = rows_.find(id);
    return live == nullptr ? std::nullopt : std::optional(live->row);
  }
  [[nodiscard]] std::optional<AttemptTerms> terms(CommandId id) const {
    const Live* live = rows_.find(id);
    return live == nullptr ? std::nullopt : live->terms;
  }

  // A scheduled row that was inserted or read, and will be handed out soon.
  void loaded(const StateRow& row, std::optional<AttemptTerms> terms = std::nullopt) {
    if (row.state != State::scheduled || ready_ >= kMostReady) return;
    if (rows_.try_emplace(row.id, Live{row, terms}).second) ++ready_;
  }
  void learnt(CommandId id, AttemptTerms terms) {
    if (Live* live = rows_.find(id)) live->terms = terms;
  }
  // After every write of a row.
  void written(const StateRow& row) {
    Live* live = rows_.find(row.id);
    if (live != nullptr && live->row.state == State::scheduled) --ready_;
    if (row.state != State::queued && row.state != State::running) {
      rows_.erase(row.id);
      return;
    }
    if (live == nullptr) {
      if (rows_.size() - ready_ >= kMost) clear();
      live = rows_.try_emplace(row.id, Live{}).first;
    }
    live->row = row;
  }
  void clear() {
    rows_.clear();
    ready_ = 0;
  }

  [[nodiscard]] std::vector<CommandId> ids() const { return rows_.ids(); }

 private:
  IdMap<Live> rows_;
  std::size_t ready_ = 0;  // of them, those that are scheduled
};

}  // namespace duly
