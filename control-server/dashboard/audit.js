// The audit log: every action by hand, newest first.
import { el } from './el.js';
import { exact } from './format.js';
import { Pager } from './pager.js';
import { placeOf, href } from './route.js';
import { Table, nothing } from './table.js';

function subject(row) {
  const place = placeOf(row.subject);
  return place ? el('a', { class: 'mono', href: href(place) }, row.subject) : row.subject;
}

const columns = [
  { title: 'When', class: 'narrow-cell', cell: (row) => exact(row.at) },
  { title: 'Who', cell: (row) => row.who },
  { title: 'What', cell: (row) => row.what },
  { title: 'On', cell: subject },
  {
    title: 'Detail',
    class: 'grow',
    cell: (row) => el('span', { class: 'clip wide-clip', title: row.detail }, row.detail),
  },
];

export function openAudit(page) {
  const table = new Table(columns, {
    label: 'Audit log',
    key: (row) => row.sequence,
    empty: nothing('Nobody has changed anything by hand yet.'),
  });
  const pager = new Pager(
    '/v1/audit',
    () => ({}),
    (items) => table.render(items),
  );
  page.show(
    el(
      'header',
      { class: 'head' },
      el('h1', {}, 'Audit'),
      el('p', { class: 'muted' }, 'Every action by hand, newest first.'),
    ),
    el('section', { class: 'panel flush' }, table.node),
    pager.node,
  );
  pager.refresh = page.keep(5000, (signal) => pager.load(signal));
}
