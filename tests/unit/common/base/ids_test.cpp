#include "common/base/ids.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

namespace duly {

TEST_CASE("a command id is the same after formatting and parsing, whatever its value") {
  for (std::int64_t value = 1; value > 0; value = value < INT64_MAX / 3 ? value * 3 : INT64_MAX) {
    const std::string text = format_command_id(CommandId{value});
    CHECK(text.size() == 17);
    CHECK(parse_command_id(text) == CommandId{value});
    if (value == INT64_MAX) break;
  }
  CHECK(format_command_id(CommandId{0}) == "cmd_0000000000000");
  CHECK(format_command_id(CommandId{INT64_MAX}) == "cmd_7ZZZZZZZZZZZZ");
  CHECK(format_command_id(CommandId{32 * 31 + 30}) == "cmd_00000000000ZY");
}

TEST_CASE("the text of a later id sorts after the text of an earlier one") {
  std::string last;
  for (std::int64_t value = 1; value < INT64_MAX / 7; value = value * 7 + 3) {
    const std::string text = format_command_id(CommandId{value});
    CHECK(last < text);
    last = text;
  }
}

TEST_CASE("an id is read in either case and with Crockford's aliases") {
  CHECK(parse_command_id("cmd_7zzzzzzzzzzzz") == CommandId{INT64_MAX});
  for (const char one : std::string("1IiLl")) {
    CHECK(parse_command_id("cmd_000000000000" + std::string(1, one)) == CommandId{1});
  }
  for (const char zero : std::string("0Oo")) {
    CHECK(parse_command_id("cmd_000000000001" + std::string(1, zero)) == CommandId{32});
  }
}

TEST_CASE("what is not an id is refused") {
  const std::vector<std::string> bad = {
      "",
      "cmd_",
      "cmd_000000000000",    // too short
      "cmd_00000000000000",  // too long
      "CMD_0000000000000",
      "cme_0000000000000",
      "0000000000000",
      "cmd_000000000000U",  // not in the alphabet
      "cmd_000000000000-",
      "cmd_ 000000000000",
      "cmd_000000000000\xC3",
      "cmd_8000000000000",  // 64 bits
      "cmd_ZZZZZZZZZZZZZ",
      "cmd_FZZZZZZZZZZZZ",
      std::string("cmd_00000000000\0", 16) + "0",
  };
  for (const std::string& text : bad) {
    INFO(text);
    CHECK_FALSE(parse_command_id(text).has_value());
  }
}

TEST_CASE("ids rise strictly, also within a millisecond and while the clock is behind") {
  IdSource source(CommandId{0}, 3);
  const std::int64_t now = kIdEpochMs + 1'000'000;
  CommandId last{0};
  const auto rises = [&](std::int64_t ms) {
    const CommandId id = source.next(wall_from_ms(ms));
    CHECK(id > last);
    last = id;
  };
  for (int i = 0; i < 10'000; ++i) rises(now);  // more than a millisecond's 4096
  rises(now - 3'600'000);
  rises(kIdEpochMs - 5);  // a clock before the epoch of ids
  rises(0);
  rises(now + 1);
  rises(now + 10'000);
  CHECK(last.value >> 22 == 1'010'000);
}

TEST_CASE("ids begin above the last one of the store, and name the node") {
  const CommandId stored{std::int64_t{5'000'000} << 22};
  IdSource behind(stored, 0);
  CHECK(behind.next(wall_from_ms(kIdEpochMs + 1)).value == stored.value + 1);
  IdSource fresh(CommandId{0}, 1023);
  CHECK((fresh.next(wall_from_ms(kIdEpochMs + 7)).value >> 12 & 1023) == 1023);
}

TEST_CASE("hashes and shards never change: those of stored commands depend on them") {
  CHECK(stable_hash("") == 0xcbf29ce484222325U);
  CHECK(stable_hash("a") == 0xaf63dc4c8601ec8cU);
  CHECK(stable_hash("foobar") == 0x85944171f73967e8U);
  CHECK(mix(0) == 0xe220a8397b1dcdafU);
  CHECK(shard_of(CommandId{1}, "a", 64) == ShardId{39});
  CHECK(shard_of(CommandId{1}, "customer-7", 64) == ShardId{41});
  CHECK(shard_of(CommandId{1}, "order \xC3\xA9", 64) == ShardId{44});
  CHECK(shard_of(CommandId{1}, std::string(256, 'x'), 64) == ShardId{32});
  CHECK(shard_of(CommandId{1}, "order \xC3\xA9", 7) == ShardId{2});
  CHECK(shard_of(CommandId{1}, "", 64) == ShardId{1});
  CHECK(shard_of(CommandId{2}, "", 64) == ShardId{14});
  CHECK(shard_of(CommandId{4'194'304}, "", 64) == ShardId{59});
  CHECK(shard_of(CommandId{INT64_MAX}, "", 64) == ShardId{39});
  CHECK(shard_of(CommandId{2}, "", 7) == ShardId{4});
}

TEST_CASE("the key decides the shard when there is one, else the id") {
  CHECK(shard_of(CommandId{1}, "k", 64) == shard_of(CommandId{999}, "k", 64));
  std::set<ShardId> shards;
  for (std::int64_t id = 1; id <= 2000; ++id) shards.insert(shard_of(CommandId{id}, "", 64));
  CHECK(shards.size() == 64);
  CHECK(shard_of(CommandId{77}, "", 1) == ShardId{0});
}

// Chi-square over 64 bins has 63 degrees of freedom: 120 is exceeded by chance once in a hundred thousand.
static double chi_square(const std::vector<int>& counts, int total) {
  const double expected = static_cast<double>(total) / static_cast<double>(counts.size());
  double sum = 0;
  for (const int count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST_CASE("shards fill evenly, by consecutive ids, by ids of a busy server, and by keys") {
  constexpr int kCommands = 64'000;
  std::vector<int> by_number(64), by_time(64), by_key(64);
  for (int i = 0; i < kCommands; ++i) {
    const auto count = [](std::vector<int>& counts, ShardId shard) {
      ++counts[static_cast<std::size_t>(shard.value)];
    };
    count(by_number, shard_of(CommandId{i + 1}, "", 64));
    count(by_time, shard_of(CommandId{std::int64_t{i} << 22}, "", 64));
    count(by_key, shard_of(CommandId{1}, "customer-" + std::to_string(i), 64));
  }
  CHECK(chi_square(by_number, kCommands) < 120);
  CHECK(chi_square(by_time, kCommands) < 120);
  CHECK(chi_square(by_key, kCommands) < 120);
}

}  // namespace duly
