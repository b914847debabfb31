// The charts' last hour: what the server remembers of it, and then what this page sees of /v1/stats.
const HOUR_MS = 3600000;
const GAP_MS = 10000;

const PER_SECOND = { failed: 'failed', died: 'died', lost: 'lost' };

class History extends EventTarget {
  samples = [];
  last = null; // the newest answer as it came

  add(stats, at) {
    const sample = {
      at,
      accepted: stats.rates.accepted_per_s,
      started: stats.rates.started_per_s,
      ended: stats.rates.ended_per_s,
      p50: stats.dispatch_lateness_ms.p50,
      p95: stats.dispatch_lateness_ms.p95,
      p99: stats.dispatch_lateness_ms.p99,
      due: stats.backlog.due,
      queued: stats.commands.queued,
      running: stats.running,
      ...this.#rates(stats, at),
    };
    this.samples.push(sample);
    while (this.samples.length > 0 && this.samples[0].at < at - HOUR_MS) this.samples.shift();
    this.last = stats;
    this.dispatchEvent(new Event('sample'));
  }

  // What GET /v1/stats/history answered: the time before this page.
  begin({ samples }, at) {
    const first = this.samples[0]?.at ?? Infinity;
    const before = samples.map((one) => ({
      at: at - one.age_ms,
      accepted: one.accepted_per_s,
      started: one.started_per_s,
      ended: one.ended_per_s,
      failed: one.failed_per_s,
      lost: one.lost_per_s,
      died: one.died_per_s,
      p50: one.p50_ms,
      p95: one.p95_ms,
      p99: one.p99_ms,
      due: one.due,
      queued: one.queued,
      running: one.running,
    }));
    this.samples.unshift(...before.filter((one) => one.at < first));
    if (this.last) this.dispatchEvent(new Event('sample'));
  }

  // Totals count from the start of the server: across a restart there is no difference to take.
  #rates(stats, at) {
    const previous = this.samples.at(-1);
    const seconds = previous ? (at - previous.at) / 1000 : 0;
    const known = previous && this.last && seconds < GAP_MS / 1000 && this.last.uptime_ms <= stats.uptime_ms;
    return Object.fromEntries(
      Object.entries(PER_SECOND).map(([name, total]) => [
        name,
        known ? Math.max(0, stats.totals[total] - this.last.totals[total]) / seconds : null,
      ]),
    );
  }

  // The shortest of a few usual spans that holds all that was seen.
  get spanMs() {
    const seen = this.samples.length > 0 ? this.samples.at(-1).at - this.samples[0].at : 0;
    return [5, 15, 30, 60].map((minutes) => minutes * 60000).find((span) => seen <= span) ?? HOUR_MS;
  }
}

export const history = new History();
export const GAP = GAP_MS;
