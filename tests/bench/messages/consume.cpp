#include <charconv>
#include <string>
#include <vector>

#include "common/base/assert.h"
#include "common/runtime/asio_loop.h"
#include "tests/bench/give_up.h"
#include "tests/bench/limits/line.h"
#include "tests/bench/messages/messages.h"

namespace duly::bench {
namespace {

constexpr std::size_t kBody = 256;
constexpr std::string_view kNumber = R"({"number":)", kDue = R"(,"due":)", kFiller = R"(,"filler":")",
                           kEnd = "\"}";
constexpr std::size_t kNumberDigits = 10, kDueDigits = 16;
constexpr std::size_t kDueAt = kNumber.size() + kNumberDigits + kDue.size();
constexpr std::int64_t kFirstNumber = 1'000'000'000;  // JSON has no leading zeros

std::optional<std::int64_t> digits_at(std::string_view body, std::size_t at, std::size_t count) {
  std::int64_t value = 0;
  const char* end = body.data() + at + count;
  const auto read = std::from_chars(body.data() + at, end, value);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return value;
}

// What has come so far.
class Arrivals {
 public:
  explicit Arrivals(long count) : seen_(static_cast<std::size_t>(count)) {}

  void take(std::string_view body, std::int64_t now_us) {
    const auto marked = read_marked(body);
    if (!marked || marked->number >= static_cast<std::int64_t>(seen_.size()))
      give_up("a message that was not published for this");
    if (late_ms_.empty()) first_us_ = now_us;
    last_us_ = now_us;
    auto seen = seen_[static_cast<std::size_t>(marked->number)];
    if (seen) {
      ++twice_;
      return;
    }
    seen = true;
    late_ms_.push_back(static_cast<double>(now_us - marked->due_us) / 1e3);
    if (now_us < marked->due_us) ++early_;
  }
  [[nodiscard]] bool all() const { return late_ms_.size() == seen_.size(); }

  void report(Tally& tally) {
    tally.whole("arrived", static_cast<std::int64_t>(late_ms_.size()));
    tally.whole("lost", static_cast<std::int64_t>(seen_.size() - late_ms_.size()));
    tally.whole("twice", twice_);
    tally.whole("early", early_);
    tally.whole("first_us", first_us_);
    tally.whole("last_us", last_us_);
    tally.quantiles("late", late_ms_, "ms");
  }

 private:
  std::vector<bool> seen_;
  std::vector<double> late_ms_;
  long twice_ = 0, early_ = 0;
  std::int64_t first_us_ = 0, last_us_ = 0;
};

}  // namespace

std::string write_marked(const Marked& marked) {
  DULY_ASSERT(marked.number <= kLargestNumber);
  std::string body(kNumber);
  body += std::to_string(kFirstNumber + marked.number);
  body += kDue;
  body += std::to_string(marked.due_us);
  body += kFiller;
  body.append(kBody - kEnd.size() - body.size(), 'x');
  body += kEnd;
  return body;
}

std::optional<Marked> read_marked(std::string_view body) {
  if (body.size() != kBody || !body.starts_with(kNumber)) return std::nullopt;
  const auto number = digits_at(body, kNumber.size(), kNumberDigits);
  const auto due = digits_at(body, kDueAt, kDueDigits);
  if (!number || !due) return std::nullopt;
  return Marked{*number - kFirstNumber, *due};
}

void consume_messages(const Flags& flags, Tally& tally) {
  Line line(flags.text("amqp"));
  line.consume(flags.text("queue"));
  Arrivals arrivals(static_cast<long>(flags.number("count", 0)));
  const timeval patience{static_cast<time_t>(flags.number("patience-s", 30)), 0};
  amqp_envelope_t envelope;
  for (long taken = 1; !arrivals.all() && line.take(envelope, patience); ++taken) {
    const auto& body = envelope.message.body;
    arrivals.take({static_cast<const char*>(body.bytes), body.len},
                  machine_wall().time_since_epoch().count());
    if (taken % kAckEvery == 0 || arrivals.all()) line.acknowledge(envelope.delivery_tag);
    amqp_destroy_envelope(&envelope);
  }
  arrivals.report(tally);
}

}  // namespace duly::bench
