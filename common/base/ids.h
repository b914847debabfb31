// Ids are types: a CommandId, a ShardId and an Epoch do not mix.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace duly {

template <class Tag, class Number>
struct Tagged {
  Number value{};
  friend auto operator<=>(const Tagged&, const Tagged&) = default;
};

// 63 bits, time-ordered: 41 of milliseconds since kIdEpochMs, 10 of node, 12 of sequence (a rowid in SQLite).
using CommandId = Tagged<struct CommandIdTag, std::int64_t>;
using ShardId = Tagged<struct ShardIdTag, std::int32_t>;
// Of one holding of one shard; strictly rising per shard, stored.  0 = never held.
using Epoch = Tagged<struct EpochTag, std::int64_t>;
// One connection of one agent, for the life of this server process.
using SessionId = Tagged<struct SessionIdTag, std::uint64_t>;
// One start of one agent process, drawn at random by it.
using Incarnation = Tagged<struct IncarnationTag, std::uint64_t>;
// Changes whenever a message already published for a command must no longer start it.
using Token = Tagged<struct TokenTag, std::int32_t>;

inline constexpr std::int64_t kIdEpochMs = 1'735'689'600'000;  // 2025-01-01T00:00:00Z

// "cmd_" and 13 characters of Crockford base32 (upper case).
std::string format_command_id(CommandId id);
// Accepts either case and Crockford's aliases (I, L → 1; O → 0); nothing for anything else.
std::optional<CommandId> parse_command_id(std::string_view text);
// The same with another prefix, for what takes its ids from the source of the commands' ("op_", "wf_").
std::string format_id(std::string_view prefix, CommandId id);
std::optional<CommandId> parse_id(std::string_view prefix, std::string_view text);

// Makes ids that rise strictly even when the clock steps back.  Loop thread only.
class IdSource {
 public:
  // `last` is the highest id already in the store (or 0); `node` is 0..1023.
  IdSource(CommandId last, int node) : last_(last.value), node_(node) {}
  CommandId next(WallTime now);

 private:
  std::int64_t last_;
  std::int64_t node_;
};

// FNV-1a, 64 bit: stable for ever, since shards of stored commands depend on it.
std::uint64_t stable_hash(std::string_view bytes);
// Finaliser of splitmix64: spreads consecutive numbers.
std::uint64_t mix(std::uint64_t value);
// The shard of a command: by its key, or by its id when it has none.
ShardId shard_of(CommandId id, std::string_view key, int shard_count);

}  // namespace duly
