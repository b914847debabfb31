// Acts on many commands, running and ended, with how far they are.
import { get, segment } from './api.js';
import { el, facts, link, replace } from './el.js';
import { count, exact, when } from './format.js';
import { OperationProgress, stopButton } from './operation_progress.js';
import { href } from './route.js';
import { state } from './state.js';
import { Table, nothing } from './table.js';

const MOST = 200;

const kindText = (operation) =>
  `${operation.kind === 'retry' ? 'redrive' : operation.kind}${operation.dry_run ? ', count only' : ''}`;

function filterText(filter) {
  const text = JSON.stringify(filter);
  return el('code', { class: 'clip wide-clip', title: text }, text);
}

const columns = [
  { title: 'State', class: 'narrow-cell', cell: (o) => state(o.state) },
  {
    title: 'Operation',
    class: 'narrow-cell',
    cell: (o) => el('a', { class: 'mono', href: href(['operations', o.id]), data: { act: 'open' } }, o.id),
  },
  { title: 'What', class: 'narrow-cell', cell: kindText },
  { title: 'Filter', class: 'grow', cell: (o) => filterText(o.filter) },
  { title: 'Matched', class: 'number', cell: (o) => count(o.matched) },
  { title: 'Changed', class: 'number', cell: (o) => count(o.changed) },
  { title: 'Skipped', class: 'number', cell: (o) => count(o.skipped) },
  { title: 'By', cell: (o) => o.by },
  { title: 'Begun', class: 'narrow-cell', cell: (o) => when(o.created_at) },
  { title: '', class: 'narrow-cell', cell: (o) => (o.state === 'running' ? stopButton(o) : '') },
];

export function openOperations(page) {
  const table = new Table(columns, {
    label: 'Operations',
    key: (operation) => operation.id,
    empty: nothing(
      'Nobody has acted on many commands yet. The lists of commands and dead letters offer it; or count first, from a shell:',
      `curl -s ${location.origin}/v1/commands/cancel -H 'Content-Type: application/json' \\\n     -d '{"labels": {"batch": "7"}, "dry_run": true}'`,
    ),
  });
  page.show(
    el(
      'header',
      { class: 'head' },
      el('h1', {}, 'Operations'),
      el('p', { class: 'muted' }, 'Cancelling and redriving many at a time: the last 200.'),
    ),
    el('section', { class: 'panel flush' }, table.node),
  );
  page.keep(2000, async (signal) => table.render((await get('/v1/operations', { signal })).items.slice(0, MOST)));
}

export function openOperation(page, id) {
  page.title(id);
  const box = el('div', { class: 'view' });
  let progress = null;
  page.show(box);
  page.keep(1000, async (signal) => {
    const operation = await get(`/v1/operations/${segment(id)}`, { signal });
    progress ??= new OperationProgress(operation);
    progress.update(operation);
    replace(
      box,
      el(
        'header',
        { class: 'head' },
        el('p', { class: 'crumbs' }, link('#/operations', 'Operations'), ' / ', el('span', { class: 'mono' }, id)),
        el('h1', {}, kindText(operation), ' ', state(operation.state)),
      ),
      el(
        'section',
        { class: 'panel' },
        progress.node,
        facts([
          ['Matched', count(operation.matched)],
          ['Changed', count(operation.changed)],
          ['Skipped', `${count(operation.skipped)} in a state that forbids it`],
          ['Filter', filterText(operation.filter)],
          ['By', operation.by],
          ['Begun', exact(operation.created_at)],
          ['Ended', operation.finished_at && exact(operation.finished_at)],
        ]),
      ),
    );
  });
}
