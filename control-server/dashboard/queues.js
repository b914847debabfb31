// Queues: what waits and runs in each, the pause switch and the limits.
import { get, put, segment } from './api.js';
import { act, ask } from './dialog.js';
import { button, el, link } from './el.js';
import { field, input } from './field.js';
import { count, parseSpan, span } from './format.js';
import { href } from './route.js';
import { state } from './state.js';
import { Table, nothing } from './table.js';

const MOST = 500;
const MOST_TARGETS = 5;

const number = (value) => (value === null || value === undefined ? '–' : count(value));

function limitsText(queue) {
  const parts = [];
  if (queue.max_running) parts.push(`${count(queue.max_running)} at a time`);
  if (queue.rate) parts.push(`${count(queue.rate.count)} per ${span(queue.rate.per_ms)}`);
  if (queue.bundle > 1) parts.push(`${count(queue.bundle)} in a message`);
  return parts.join(', ') || el('span', { class: 'muted' }, 'none');
}

// Agents say what they consume; whoever else does is seen by the broker alone.
function executors(queue) {
  const others = Math.max(0, (queue.broker.consumers ?? 0) - queue.executors);
  return [
    count(queue.executors + others),
    others > 0 &&
      el(
        'p',
        { class: 'fine-line', title: 'Consumers that are not Duly’s agents: executors in other languages' },
        `${count(others)} foreign`,
      ),
  ];
}

// The targets of builtin.http that agents spare because they fail, one line a target.
function circuits(queue) {
  const targets = new Map();
  for (const one of queue.circuits ?? []) {
    const known = targets.get(one.target) ?? { open: 0, half_open: 0, agents: [] };
    known[one.state] += 1;
    known.agents.push(`${one.agent}: ${one.state.replaceAll('_', ' ')}`);
    targets.set(one.target, known);
  }
  const shown = [...targets].slice(0, MOST_TARGETS);
  return [
    shown.map(([target, one]) =>
      el(
        'p',
        { class: 'problem circuit', title: one.agents.join('\n') },
        `${target} is spared by ${one.agents.length === 1 ? 'an agent' : `${count(one.agents.length)} agents`}`,
        one.half_open > 0 && ', one request is out to see',
      ),
    ),
    targets.size > shown.length && el('p', { class: 'problem' }, `and ${targets.size - shown.length} more targets`),
  ];
}

function wholeOrNull(box) {
  const text = box.control.value.trim();
  if (text === '') return null;
  if (!/^\d+$/.test(text)) throw new Error('Limits are whole numbers.');
  return Number(text);
}

function openLimits(queue, refresh) {
  const running = field(
    'Most running at a time',
    input({ inputmode: 'numeric', value: queue.max_running ?? '' }),
    'Empty: no limit.',
  );
  const starts = field(
    'Most starts',
    input({ inputmode: 'numeric', value: queue.rate?.count ?? '' }),
    'Empty: no limit.',
  );
  const per = field(
    'Within',
    input({ value: queue.rate ? span(queue.rate.per_ms) : '1 min' }),
    '1s, 1 min, 1 h; a day at most.',
  );
  const bundle = field(
    'Commands in a message',
    input({ inputmode: 'numeric', value: queue.bundle }),
    '1 to 500; more than 1 only where nobody but Duly’s agents consumes.',
  );
  return ask({
    title: `Limits of ${queue.name}`,
    action: 'Set them',
    content: [
      el(
        'p',
        { class: 'muted' },
        'They hold over all agents and restarts. A limit that is lowered stops nothing that runs.',
      ),
      running,
      el('div', { class: 'grid' }, starts, per),
      bundle,
    ],
    submit: async () => {
      const most = wholeOrNull(starts);
      const span_ms = parseSpan(per.control.value);
      if (most !== null && !span_ms) throw new Error('Say within which time: 1s, 1 min, 1 h.');
      await put(`/v1/queues/${segment(queue.name)}`, {
        max_running: wholeOrNull(running),
        bundle: wholeOrNull(bundle) ?? 1,
        rate: most === null ? null : { count: most, per_ms: span_ms },
      });
      refresh();
      return true;
    },
  });
}

function actions(queue, refresh) {
  const pause = !queue.paused;
  return el(
    'span',
    { class: 'row-actions' },
    button(
      pause ? 'Pause' : 'Resume',
      (event) =>
        act(
          event.currentTarget,
          async () => {
            await put(`/v1/queues/${segment(queue.name)}`, { paused: pause });
            refresh();
          },
          pause ? `${queue.name} is paused: what is in the broker still runs` : `${queue.name} goes on`,
        ),
      { class: 'small', data: { act: 'pause' } },
    ),
    button('Limits…', () => openLimits(queue, refresh), { class: 'small', data: { act: 'limits' } }),
  );
}

export function openQueues(page) {
  let refresh = () => {};
  const columns = [
    { title: 'State', class: 'narrow-cell', cell: (q) => state(q.paused ? 'paused' : 'open') },
    {
      title: 'Queue',
      cell: (q) => [
        link(href(['commands'], { queue: q.name }), q.name),
        q.last_problem && el('p', { class: 'problem' }, q.last_problem),
        circuits(q),
      ],
    },
    { title: 'Waiting', class: 'number', cell: (q) => count(q.commands.waiting + q.commands.scheduled) },
    { title: 'Unstarted', class: 'number', cell: (q) => number(q.unstarted) },
    { title: 'In broker', class: 'number', cell: (q) => (q.broker.reachable ? number(q.broker.depth) : '–') },
    { title: 'Executors', class: 'number', cell: executors },
    { title: 'Running', class: 'number', cell: (q) => number(q.running) },
    { title: 'Dead', class: 'number', cell: (q) => number(q.commands.dead) },
    { title: 'Limits', cell: limitsText },
    { title: '', class: 'narrow-cell', cell: (q) => actions(q, () => refresh()) },
  ];
  const table = new Table(columns, {
    label: 'Queues',
    key: (queue) => queue.name,
    empty: nothing(
      'No queue yet: one appears with its first command, or when it is limited:',
      `curl -s -X PUT ${location.origin}/v1/queues/mail -H 'Content-Type: application/json' -d '{"max_running": 5}'`,
    ),
  });
  page.show(
    el('header', { class: 'head' }, el('h1', {}, 'Queues')),
    el('section', { class: 'panel flush' }, table.node),
    el(
      'p',
      { class: 'muted note' },
      'Waiting: still in the store, where priority, pause and cancel act. Unstarted: published and not begun, as the store sees it. In broker: as RabbitMQ says.',
    ),
  );
  refresh = page.keep(2000, async (signal) => table.render((await get('/v1/queues', { signal })).items.slice(0, MOST)));
}
