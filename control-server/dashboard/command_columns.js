// How a command looks in a row.
import { el } from './el.js';
import { when } from './format.js';
import { href } from './route.js';
import { hasEnded, state } from './state.js';

export const commandLink = (id) => el('a', { class: 'mono', href: href(['commands', id]), data: { act: 'open' } }, id);

// Where a command goes that nobody executes.
export function deliversTo(deliver) {
  const exchange = deliver.exchange === '' ? 'the default exchange' : `exchange ${deliver.exchange}`;
  return deliver.routing_key === '' ? exchange : `${exchange}, routing key ${deliver.routing_key}`;
}

const stateColumn = { title: 'State', class: 'narrow-cell', cell: (c) => state(c.state) };
const idColumn = { title: 'Id', class: 'narrow-cell', cell: (c) => commandLink(c.id) };
const typeColumn = { title: 'Type', cell: (c) => el('span', { class: 'clip' }, c.type) };
const queueColumn = { title: 'Queue', cell: (c) => el('span', { class: 'clip' }, c.queue) };
const attemptColumn = { title: 'Attempt', class: 'number', cell: (c) => `${c.attempt}/${c.max_attempts}` };
const dueColumn = { title: 'Due', class: 'narrow-cell', cell: (c) => when(c.due_at) };
const endedColumn = { title: 'Ended', class: 'narrow-cell', cell: (c) => when(c.finished_at) };

function marks(command) {
  return el(
    'span',
    { class: 'marks' },
    command.key && el('span', { class: 'tag', title: 'key' }, `key ${command.key}`),
    command.deliver &&
      el(
        'span',
        { class: 'tag', title: 'is published there' },
        `to ${command.deliver.exchange || command.deliver.routing_key}`,
      ),
    command.workflow &&
      el('a', { class: 'tag', href: href(['workflows', command.workflow]) }, `workflow ${command.node ?? ''}`),
    command.schedule &&
      el('a', { class: 'tag', href: href(['schedules', command.schedule]) }, `schedule ${command.schedule}`),
    Object.entries(command.labels).map(([name, value]) => el('span', { class: 'tag' }, `${name}=${value}`)),
  );
}

const marksColumn = { title: 'Key, labels', cell: marks };

function why(command) {
  return el(
    'span',
    { class: 'clip wide-clip', title: command.error ?? '' },
    command.reason && el('b', {}, command.reason.replaceAll('_', ' ')),
    command.reason && command.error ? ': ' : '',
    command.error ?? '',
  );
}

export const listColumns = [
  stateColumn,
  idColumn,
  typeColumn,
  queueColumn,
  marksColumn,
  attemptColumn,
  dueColumn,
  endedColumn,
];
export const deadColumns = [
  idColumn,
  typeColumn,
  queueColumn,
  { title: 'Why', cell: why },
  marksColumn,
  attemptColumn,
  endedColumn,
];
export const latestColumns = [
  stateColumn,
  idColumn,
  typeColumn,
  queueColumn,
  attemptColumn,
  {
    title: 'When',
    class: 'narrow-cell',
    cell: (c) => (hasEnded(c.state) ? ['ended ', when(c.finished_at)] : ['due ', when(c.due_at)]),
  },
];
export const historyColumns = [
  stateColumn,
  idColumn,
  { title: 'Fire', cell: (c) => when(c.fire_at) },
  attemptColumn,
  dueColumn,
  endedColumn,
];
