#include "control-server/api/request_rate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "common/base/assert.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::string_view kUnlimited = "none";
constexpr std::array<std::pair<std::string_view, seconds>, 3> kSpans = {
    {{"s", seconds{1}}, {"min", seconds{60}}, {"h", seconds{3600}}}};

std::optional<std::int64_t> count_in(std::string_view text) {
  std::int64_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  if (count < 1 || count > limits::kRequestRate) return std::nullopt;
  return count;
}

std::optional<seconds> span_named(std::string_view name) {
  for (const auto& [known, length] : kSpans) {
    if (known == name) return length;
  }
  return std::nullopt;
}

Error bad_rate() {
  return invalid(
      "a rate must be COUNT/PER or COUNT/PER:BURST, as in 200/s or 1000/min:50, with numbers from 1 to " +
      std::to_string(limits::kRequestRate) + " and s, min or h; or none");
}

}  // namespace

Result<RequestRate> RequestRate::parse(std::string_view text) {
  if (text == kUnlimited) return RequestRate{};
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::size_t slash = std::min(text.find('/'), colon);
  const auto count = count_in(text.substr(0, slash));
  const auto per = slash == colon ? seconds{1} : span_named(text.substr(slash + 1, colon - slash - 1));
  const auto burst = colon == text.size() ? count : count_in(text.substr(colon + 1));
  if (!count || !per || !burst) return bad_rate();
  return RequestRate{*count, *per, *burst};
}

std::string RequestRate::text() const {
  if (!limited()) return std::string(kUnlimited);
  std::string text = std::to_string(count);
  for (const auto& [name, length] : kSpans) {
    if (length == per) text.append("/").append(name);
  }
  return burst == count ? text : text + ":" + std::to_string(burst);
}

TokenBucket::TokenBucket(const RequestRate& rate, MonoTime now)
    : rate_(rate), whole_(Duration{rate.per}.count() * rate.burst), level_(whole_), filled_at_(now) {
  DULY_ASSERT(rate.limited() && rate.burst > 0);
}

void TokenBucket::fill(MonoTime now) {
  const std::int64_t missing = whole_ - level_;
  const std::int64_t enough = missing / rate_.count + 1;  // more would only overflow
  const std::int64_t elapsed = std::clamp<std::int64_t>((now - filled_at_).count(), 0, enough);
  level_ = std::min(whole_, level_ + elapsed * rate_.count);
  filled_at_ = now;
}

Duration TokenBucket::take(MonoTime now) {
  fill(now);
  const std::int64_t one = Duration{rate_.per}.count();
  if (level_ >= one) {
    level_ -= one;
    return Duration{0};
  }
  return Duration{(one - level_ + rate_.count - 1) / rate_.count};
}

}  // namespace duly
