// How it goes: the figures of now, the charts of the last hour, the states, the shards, and what happened last.
import { get } from './api.js';
import { Chart } from './chart.js';
import { latestColumns } from './command_columns.js';
import { el, link, replace } from './el.js';
import { count, hourMinute, millis, millisShort, rate, short, span } from './format.js';
import { history } from './history.js';
import { href } from './route.js';
import { ShardStrip } from './shard_strip.js';
import { STATES, state } from './state.js';
import { Table, nothing } from './table.js';

const LATEST = 8;

function makeCharts() {
  return [
    new Chart({
      title: 'Throughput',
      text: (n) => `${rate(n)}/s`,
      least: 1,
      lines: [
        { name: 'accepted', of: 'accepted', class: 'tint-scheduled' },
        { name: 'started', of: 'started', class: 'tint-running' },
        { name: 'ended', of: 'ended', class: 'tint-succeeded' },
      ],
    }),
    new Chart({
      title: 'Dispatch lateness',
      text: millis,
      axis: millisShort,
      least: 4,
      lines: [
        { name: 'p50', of: 'p50', class: 'tint-scheduled' },
        { name: 'p99', of: 'p99', class: 'tint-queued' },
      ],
    }),
    new Chart({
      title: 'Backlog',
      text: short,
      least: 4,
      lines: [
        { name: 'due', of: 'due', class: 'tint-scheduled' },
        { name: 'queued', of: 'queued', class: 'tint-queued' },
        { name: 'running', of: 'running', class: 'tint-running' },
      ],
    }),
    new Chart({
      title: 'Failures',
      text: (n) => `${rate(n)}/s`,
      least: 1,
      lines: [
        { name: 'failed', of: 'failed', class: 'tint-running' },
        { name: 'lost', of: 'lost', class: 'tint-queued' },
        { name: 'dead', of: 'died', class: 'tint-dead' },
      ],
    }),
  ];
}

function tile(name, value, detail, { target = null, alarm = false } = {}) {
  const inside = [
    el('span', { class: 'name' }, name),
    el('strong', {}, value),
    el('span', { class: 'detail' }, detail),
  ];
  return target
    ? el('a', { class: `tile${alarm ? ' alarm' : ''}`, href: target, data: { tile: name } }, inside)
    : el('div', { class: `tile${alarm ? ' alarm' : ''}`, data: { tile: name } }, inside);
}

function tiles(stats, sample) {
  const late = stats.dispatch_lateness_ms;
  const failed = sample.failed === null ? '–' : `${rate(sample.failed * 60)}/min`;
  return [
    tile('Throughput', `${rate(stats.rates.ended_per_s)}/s`, `${rate(stats.rates.accepted_per_s)}/s accepted`),
    tile('Lateness p50', millis(late.p50), `p95 ${millis(late.p95)}`),
    tile('Lateness p99', millis(late.p99), 'due to started'),
    tile(
      'Backlog due',
      short(stats.backlog.due),
      stats.backlog.due > 0 ? `oldest ${span(stats.backlog.oldest_due_age_ms)}` : 'nothing waits',
      { alarm: stats.backlog.oldest_due_age_ms > 10000, target: href(['commands'], { state: 'scheduled' }) },
    ),
    tile('Running', short(stats.running), `${short(stats.commands.queued)} queued`, {
      target: href(['commands'], { state: 'running' }),
    }),
    tile('Failures', failed, `${short(stats.totals.failed)} failed, ${short(stats.totals.lost)} lost since start`),
    tile('Dead', short(stats.commands.dead), stats.commands.dead > 0 ? 'given up: look' : 'none gave up', {
      alarm: stats.commands.dead > 0,
      target: href(['dead']),
    }),
  ];
}

// Null on a server that was never asked to call anybody.
function callbackFacts(stats) {
  const { callbacks_delivered: taken, callbacks_failed: failed, callbacks_given_up: lost } = stats.totals;
  if (stats.callbacks_owed + taken + failed === 0) return null;
  const owed = `Callbacks: ${short(stats.callbacks_owed)} owed, ${short(lost)} given up since start`;
  return el('p', { class: 'muted note callbacks' }, owed);
}

function stateBar(stats) {
  const all = STATES.map((name) => [name, stats.commands[name] ?? 0]);
  const total = all.reduce((sum, [, n]) => sum + n, 0);
  const bar = el(
    'div',
    { class: 'state-bar', 'aria-hidden': 'true' },
    all
      .filter(([, n]) => n > 0)
      .map(([name, n]) => {
        const part = el('i', { class: `fill-${name}`, title: `${name}: ${count(n)}` });
        // One in ten million is still seen.
        part.style.flexGrow = String(Math.max(n / total, 0.004));
        return part;
      }),
  );
  return [
    total > 0 ? bar : null,
    el(
      'ul',
      { class: 'state-counts' },
      all.map(([name, n]) =>
        el(
          'li',
          {},
          el('a', { href: href(['commands'], { state: name }) }, state(name), el('b', { title: count(n) }, short(n))),
        ),
      ),
    ),
    callbackFacts(stats),
  ];
}

function agentFacts(stats) {
  const moving = stats.shards.moving > 0 ? `, ${stats.shards.moving} moving` : '';
  const free = stats.shards.free > 0 ? `, ${stats.shards.free} free` : '';
  return [
    link('#/agents', `${stats.agents.live} live`),
    stats.agents.draining > 0 ? `, ${stats.agents.draining} draining` : '',
    ` · ${stats.shards.held} shards held${moving}${free} · server up ${span(stats.uptime_ms)}`,
  ];
}

export function openOverview(page) {
  const figures = el('div', { class: 'tiles' });
  const since = el('p', { class: 'muted note' });
  const charts = makeCharts();
  const states = el('div');
  const facts = el('p', { class: 'muted note' });
  const strip = new ShardStrip();
  const latest = new Table(latestColumns, {
    label: 'Latest commands',
    key: (item) => item.id,
    empty: nothing(
      'No command yet. Submit one:',
      `curl -s ${location.origin}/v1/commands -H 'Content-Type: application/json' \\\n     -d '{"type": "builtin.echo", "payload": {"hello": "world"}}'`,
    ),
  });
  page.show(
    el('h1', { class: 'hidden' }, 'Overview'),
    figures,
    el(
      'div',
      { class: 'charts' },
      charts.map((chart) => chart.node),
    ),
    since,
    el(
      'div',
      { class: 'columns' },
      el('section', { class: 'panel' }, el('h2', {}, 'Commands by state'), states),
      el('section', { class: 'panel' }, el('h2', {}, link('#/shards', 'Shards')), strip.node, facts),
    ),
    el('section', { class: 'panel' }, el('h2', {}, link('#/commands', 'Latest commands')), latest.node),
  );
  const draw = () => {
    if (!history.last) return;
    replace(figures, tiles(history.last, history.samples.at(-1)));
    for (const chart of charts) chart.update(history.samples, history.spanMs);
    replace(states, stateBar(history.last));
    replace(facts, agentFacts(history.last));
    since.textContent = `Charts begin at ${hourMinute(history.samples[0].at)}: the last hour, or what this server has seen since its start.`;
  };
  history.addEventListener('sample', draw, { signal: page.signal });
  draw();
  page.keep(2000, async (signal) => strip.update((await get('/v1/shards', { signal })).items));
  page.keep(
    4000,
    async (signal) => latest.render((await get(`/v1/commands?limit=${LATEST}`, { signal })).items),
    () => true,
  );
}
