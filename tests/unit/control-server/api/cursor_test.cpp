#include "control-server/api/cursor.h"

#include <catch2/catch.hpp>
#include <limits>

namespace duly {

TEST_CASE("a cursor comes back as the position it was made from") {
  for (const std::int64_t position : {std::int64_t{0}, std::int64_t{1}, std::int64_t{123'456'789'012'345},
                                      std::numeric_limits<std::int64_t>::max()}) {
    CHECK(decode_cursor(CursorKind::commands, encode_cursor(CursorKind::commands, position)) == position);
  }
}

TEST_CASE("anything else is not a cursor") {
  const std::string good = encode_cursor(CursorKind::commands, 42);
  CHECK(!decode_cursor(CursorKind::audit, good));
  CHECK(!decode_cursor(CursorKind::commands, ""));
  CHECK(!decode_cursor(CursorKind::commands, "42"));
  CHECK(!decode_cursor(CursorKind::commands, good + "0"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == '7' ? '8' : '7';
    CHECK(!decode_cursor(CursorKind::commands, bad));
    bad[i] = 'z';
    CHECK(!decode_cursor(CursorKind::commands, bad));
  }
}

}  // namespace duly
