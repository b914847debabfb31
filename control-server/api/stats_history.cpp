#include "control-server/api/stats_history.h"

#include <cmath>
#include <variant>

#include "control-server/api/json_text.h"

namespace duly {
namespace {

// What a chart can show of it.
double thousandths(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

void StatsHistory::start() { ask(); }

void StatsHistory::ask() {
  loop_.at(loop_.now() + kEvery, [this] { ask(); });
  desk_.ask(
      [](ReplyTo reply) {
        return Input(Query{reply, Query::What::stats, "", {}});
      },
      [this](const Answer& answer) {
        const auto* stats = std::get_if<StatsAnswer>(&answer.what);
        if (stats != nullptr) take(**stats);
      },
      kEvery);
}

void StatsHistory::take(const StatsSnapshot& stats) {
  const auto quantile_ms = [&](double q) { return stats.recent_lateness.quantile_us(q) / 1000.0; };
  samples_.push_back({loop_.now(), stats.accepted_per_s, stats.started_per_s, stats.ended_per_s, stats.failed,
                      stats.lost, stats.died, quantile_ms(0.5), quantile_ms(0.95), quantile_ms(0.99),
                      stats.backlog_due, stats.by_state[static_cast<std::size_t>(State::queued)],
                      stats.running});
  if (samples_.size() > kKept) samples_.pop_front();
}

std::string StatsHistory::json() const {
  std::string out;
  JsonObject object(out);
  object.number("every_ms", kEvery.count() / 1000);
  object.begin("samples");
  out += '[';
  const Sample* before = nullptr;
  for (const Sample& sample : samples_) {
    if (before != nullptr) out += ',';
    append(out, sample, before);
    before = &sample;
  }
  out += ']';
  object.end();
  return out;
}

void StatsHistory::append(std::string& out, const Sample& sample, const Sample* before) const {
  JsonObject item(out);
  const auto rate = [&](std::string_view name, std::uint64_t Sample::*count) {
    if (before == nullptr) return item.raw(name, "null");
    const double passed_s = static_cast<double>((sample.at - before->at).count()) / 1e6;
    item.real(name, thousandths(static_cast<double>(sample.*count - before->*count) / passed_s));
  };
  item.number("age_ms", (loop_.now() - sample.at).count() / 1000);
  item.real("accepted_per_s", thousandths(sample.accepted_per_s));
  item.real("started_per_s", thousandths(sample.started_per_s));
  item.real("ended_per_s", thousandths(sample.ended_per_s));
  rate("failed_per_s", &Sample::failed);
  rate("lost_per_s", &Sample::lost);
  rate("died_per_s", &Sample::died);
  item.real("p50_ms", thousandths(sample.p50_ms));
  item.real("p95_ms", thousandths(sample.p95_ms));
  item.real("p99_ms", thousandths(sample.p99_ms));
  item.number("due", sample.due);
  item.number("queued", sample.queued);
  item.number("running", sample.running);
  item.end();
}

}  // namespace duly
