#include "common/model/schedule.h"

#include <algorithm>
#include <utility>

#include "common/base/ids.h"
#include "common/model/cron.h"

namespace duly {

std::string_view name_of(Overlap overlap) {
  switch (overlap) {
    case Overlap::allow: return "allow";
    case Overlap::skip: return "skip";
    case Overlap::buffer_one: return "buffer_one";
    case Overlap::cancel_other: return "cancel_other";
  }
  return "";
}

std::optional<Overlap> overlap_named(std::string_view name) {
  for (const Overlap overlap : {Overlap::allow, Overlap::skip, Overlap::buffer_one, Overlap::cancel_other}) {
    if (name_of(overlap) == name) return overlap;
  }
  return std::nullopt;
}

std::string_view name_of(CatchUp policy) {
  switch (policy) {
    case CatchUp::skip: return "skip";
    case CatchUp::one: return "one";
    case CatchUp::all: return "all";
  }
  return "";
}

std::optional<CatchUp> catch_up_named(std::string_view name) {
  for (const CatchUp policy : {CatchUp::skip, CatchUp::one, CatchUp::all}) {
    if (name_of(policy) == name) return policy;
  }
  return std::nullopt;
}

struct Timetable::Impl {
  ScheduleTiming timing;
  std::optional<Cron> cron;

  [[nodiscard]] std::int64_t anchor() const { return timing.start_at_ms.value_or(0); }

  // The number of whole intervals up to `at`, rounded down also before the anchor.
  [[nodiscard]] std::int64_t intervals(std::int64_t at_ms) const {
    const std::int64_t since = at_ms - anchor();
    return since >= 0 ? since / timing.every_ms : -((-since + timing.every_ms - 1) / timing.every_ms);
  }

  [[nodiscard]] std::optional<std::int64_t> next(std::int64_t after_ms) const {
    if (!cron) return anchor() + (intervals(after_ms) + 1) * timing.every_ms;
    const auto fire = cron->next(after_ms);
    if (!fire) return std::nullopt;
    return fire->at_ms;
  }
  [[nodiscard]] std::optional<std::int64_t> prev(std::int64_t before_ms) const {
    if (!cron) return anchor() + intervals(before_ms - 1) * timing.every_ms;
    const auto fire = cron->prev(before_ms);
    if (!fire) return std::nullopt;
    return fire->at_ms;
  }
};

Timetable::Timetable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Timetable::~Timetable() = default;
Timetable::Timetable(Timetable&&) noexcept = default;
Timetable& Timetable::operator=(Timetable&&) noexcept = default;

Result<Timetable> Timetable::make(const ScheduleTiming& timing, std::string_view name) {
  auto impl = std::make_unique<Impl>();
  impl->timing = timing;
  if (!known_time_zone(timing.time_zone))
    return Error{Errc::invalid, "time_zone: '" + timing.time_zone + "' is not in the time zone database"};
  if (timing.cron.empty()) {
    DULY_ASSERT(timing.every_ms > 0);
  } else {
    auto cron = Cron::parse(timing.cron, timing.time_zone, name);
    if (!cron) return Error{Errc::invalid, "cron: " + cron.error().what};
    impl->cron = std::move(*cron);
  }
  return Timetable(std::move(impl));
}

std::optional<std::int64_t> Timetable::next(std::int64_t after_ms) const {
  const ScheduleTiming& timing = impl_->timing;
  if (timing.start_at_ms) after_ms = std::max(after_ms, *timing.start_at_ms - 1);
  const auto fire = impl_->next(after_ms);
  if (!fire || (timing.end_at_ms && *fire > *timing.end_at_ms)) return std::nullopt;
  return fire;
}

std::optional<std::int64_t> Timetable::prev(std::int64_t before_ms) const {
  const ScheduleTiming& timing = impl_->timing;
  if (timing.end_at_ms) before_ms = std::min(before_ms, *timing.end_at_ms + 1);
  const auto fire = impl_->prev(before_ms);
  if (!fire || (timing.start_at_ms && *fire < *timing.start_at_ms)) return std::nullopt;
  return fire;
}

std::string_view Timetable::shift_at(std::int64_t fire_ms) const {
  if (!impl_->cron) return "";
  const auto fire = impl_->cron->next(fire_ms - 1);
  if (!fire || fire->at_ms != fire_ms) return "";
  if (fire->shift == ClockShift::gap) return "gap";
  return fire->shift == ClockShift::fold ? "fold" : "";
}

std::int64_t jitter_of(std::string_view name, std::int64_t fire_ms, std::int64_t jitter_ms) {
  if (jitter_ms <= 0) return 0;
  const std::uint64_t dice = mix(stable_hash(name) ^ static_cast<std::uint64_t>(fire_ms));
  return static_cast<std::int64_t>(dice % static_cast<std::uint64_t>(jitter_ms + 1));
}

}  // namespace duly
