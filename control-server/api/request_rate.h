// How often a key may ask, and the bucket that holds it to that.
//
// Written `COUNT/PER` or `COUNT/PER:BURST`: 200/s, 1000/min, 5000/h, 200/s:1000; a COUNT alone is one a
// second, `none` is no limit.  BURST is how many may come at once after a time of quiet; without it COUNT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace duly {

struct RequestRate {
  std::int64_t count = 0;  // 0 = no limit
  seconds per{1};
  std::int64_t burst = 0;

  // The error says what it must look like.
  static Result<RequestRate> parse(std::string_view text);
  [[nodiscard]] std::string text() const;  // as parse() takes it
  [[nodiscard]] bool limited() const { return count > 0; }
  bool operator==(const RequestRate&) const = default;
};

// Full at first; what is taken comes back at the rate, up to the burst.  Whole numbers: nothing is lost to
// rounding, however often it is asked.
class TokenBucket {
 public:
  // `rate` is limited.
  TokenBucket(const RequestRate& rate, MonoTime now);

  [[nodiscard]] const RequestRate& rate() const { return rate_; }
  // Takes one and answers zero; or takes none and answers how long until there is one.
  Duration take(MonoTime now);

 private:
  void fill(MonoTime now);

  RequestRate rate_;
  // In shares of a request: one of them has as many as `per` has microseconds, and `count` of them come back
  // with each of these.
  std::int64_t whole_, level_;
  MonoTime filled_at_;
};

}  // namespace duly
