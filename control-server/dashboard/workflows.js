// Workflows: which run, which went wrong, and how far each is.
import { el } from './el.js';
import { field, select } from './field.js';
import { count, when } from './format.js';
import { Pager } from './pager.js';
import { href, refine } from './route.js';
import { state } from './state.js';
import { Table, nothing } from './table.js';

export function countsBar(counts) {
  const parts = [
    ['succeeded', counts.succeeded],
    ['dead', counts.failed],
    ['waiting', counts.open],
  ].filter(([, n]) => n > 0);
  const bar = el(
    'div',
    { class: 'state-bar slim', 'aria-hidden': 'true' },
    parts.map(([name, n]) => {
      const part = el('i', { class: `fill-${name}` });
      part.style.flexGrow = String(n);
      return part;
    }),
  );
  return el(
    'span',
    { class: 'counts' },
    bar,
    el(
      'span',
      {},
      `${count(counts.succeeded)} of ${count(counts.total)} done`,
      counts.failed > 0 && `, ${count(counts.failed)} failed`,
    ),
  );
}

const columns = [
  { title: 'State', class: 'narrow-cell', cell: (w) => state(w.state) },
  {
    title: 'Workflow',
    class: 'narrow-cell',
    cell: (w) => el('a', { class: 'mono', href: href(['workflows', w.id]), data: { act: 'open' } }, w.id),
  },
  { title: 'Name', cell: (w) => el('span', { class: 'clip' }, w.name) },
  { title: 'Progress', class: 'grow', cell: (w) => countsBar(w.counts) },
  { title: 'Accepted', class: 'narrow-cell', cell: (w) => when(w.created_at) },
  { title: 'Ended', class: 'narrow-cell', cell: (w) => when(w.finished_at) },
];

export function openWorkflows(page) {
  const wanted = field(
    'State',
    select([['', 'any'], 'running', 'succeeded', 'failed', 'cancelled'], page.route.parameters.state ?? ''),
  );
  const table = new Table(columns, {
    label: 'Workflows',
    key: (workflow) => workflow.id,
    empty: nothing(
      'No workflow here. From a checkout of Duly, one to look at:',
      `curl -s ${location.origin}/v1/workflows -H 'Content-Type: application/json' -d @docs/examples/month-end.json`,
    ),
  });
  const pager = new Pager(
    '/v1/workflows',
    () => ({ state: wanted.control.value }),
    (items) => table.render(items),
  );
  wanted.control.addEventListener('change', () => {
    refine(['workflows'], { state: wanted.control.value });
    pager.restart();
  });
  page.show(
    el('header', { class: 'head' }, el('h1', {}, 'Workflows')),
    el('div', { class: 'panel filter-box' }, el('div', { class: 'filter' }, wanted)),
    el('section', { class: 'panel flush' }, table.node),
    pager.node,
  );
  pager.refresh = page.keep(
    3000,
    (signal) => pager.load(signal),
    () => true,
  );
}
