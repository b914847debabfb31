// Who holds which shard, under which epoch, and who should.  Pure: it plans, the engine grants and revokes.
//
// Rules.  A shard has at most one holder; each new holding has a higher epoch, stored before the holder hears
// of it. After a start a shard that was held is reserved for its holder for one lease TTL (expiries are not
// stored). balance() gives the fewest moves that leave no two agents more than one unpinned shard apart.
// Concurrency.  Engine thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/wire/messages.h"
#include "control-server/store/rows.h"

namespace duly {

class ShardMap {
 public:
  enum class Phase : std::uint8_t { free, held, moving };

  struct Shard {
    ShardRow row;  // as stored: the last holder, also while free
    Phase phase = Phase::free;
    SessionId holder{0};        // when held or moving
    MonoTime reserved_until{};  // while free: only its last holder may have it back before
    MonoTime moving_until{};    // while moving: then it is taken without the holder's word
    std::string target;         // while moving: for whom it is counted
    std::string avoid;          // unassigned by hand from this agent
  };
  struct Candidate {
    SessionId session;
    std::string name;
  };
  struct Plan {
    std::vector<std::pair<ShardId, SessionId>> grants;
    std::vector<ShardId> revokes;
  };

  // Shards without a stored row have never been held.
  ShardMap(int count, const std::vector<ShardRow>& rows, MonoTime reserved_until);

  [[nodiscard]] int count() const { return static_cast<int>(shards_.size()); }
  [[nodiscard]] const Shard& at(ShardId shard) const {
    return shards_[static_cast<std::size_t>(shard.value)];
  }
  [[nodiscard]] const std::vector<Shard>& all() const { return shards_; }
  [[nodiscard]] bool valid(ShardId shard) const { return shard.value >= 0 && shard.value < count(); }

  // True when `session` holds the shard under exactly this epoch (moving included): the fence of marks.
  [[nodiscard]] bool holds(SessionId session, ShardId shard, Epoch epoch) const;

  // The same incarnation is back and names this holding: it may keep it when nobody else has had the shard
  // since.
  bool reclaim(const Holding& holding, SessionId session, const std::string& name, Incarnation incarnation);
  // Grants with the next epoch; the row to store.
  const ShardRow& grant(ShardId shard, SessionId session, const std::string& name, Incarnation incarnation);
  void begin_move(ShardId shard, MonoTime until);
  // The holder lets go (or is gone): free at once.
  void release(ShardId shard);
  std::vector<ShardId> held_by(SessionId session) const;

  const ShardRow& pin(ShardId shard, const std::string& agent);
  // Unpins; the shard will not go back to its present holder while another agent is there.
  const ShardRow& unassign(ShardId shard);
  void clear_avoidance();

  // What to grant and revoke now so that `agents` (live, not draining) share the shards evenly.
  [[nodiscard]] Plan balance(const std::vector<Candidate>& agents, MonoTime now);
  // When a reservation or a move runs out next.
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

 private:
  Shard& shard(ShardId id) { return shards_[static_cast<std::size_t>(id.value)]; }
  using Loads = std::map<std::string, int>;
  [[nodiscard]] Loads loads(const std::vector<Candidate>& agents) const;
  void plan_pins(const std::vector<Candidate>& agents, Loads& loads, Plan& plan);
  void plan_free(const std::vector<Candidate>& agents, MonoTime now, Loads& loads, Plan& plan);
  void plan_departures(const std::vector<Candidate>& agents, Loads& loads, Plan& plan);
  void plan_levelling(const std::vector<Candidate>& agents, Loads& loads, Plan& plan);
  Shard* movable(const Candidate& from, const std::string& to, const Plan& plan);
  void plan_revoke(Shard& shard, const std::string& target, Loads& loads, Plan& plan);

  std::vector<Shard> shards_;
};

}  // namespace duly
