// The list of commands with its filter, and the dead letters, which are the same with other columns.
import { get, post } from './api.js';
import { BulkBar } from './bulk.js';
import { deadColumns, listColumns } from './command_columns.js';
import { act } from './dialog.js';
import { button, el, replace } from './el.js';
import { field, input, offer, select } from './field.js';
import { count, fromInput, toInput } from './format.js';
import { history } from './history.js';
import { Pager } from './pager.js';
import { refine } from './route.js';
import { STATES } from './state.js';
import { Table, nothing } from './table.js';

const TYPING_MS = 350;

// The controls of the filter: name of the parameter → its field.
function filterFields(parameters, withState) {
  const label = Object.keys(parameters).find((name) => name.startsWith('label.'));
  const due = (name) =>
    input({ type: 'datetime-local', step: 1, value: parameters[name] ? toInput(Date.parse(parameters[name])) : '' });
  return {
    ...(withState ? { state: field('State', select([['', 'any'], ...STATES], parameters.state ?? '')) } : {}),
    queue: field('Queue', input({ value: parameters.queue ?? '', placeholder: 'any' })),
    type: field('Type', input({ value: parameters.type ?? '', placeholder: 'any' })),
    key: field('Key', input({ value: parameters.key ?? '', placeholder: 'any' })),
    label: field(
      'Label',
      input({ value: label ? `${label.slice(6)}=${parameters[label]}` : '', placeholder: 'name=value' }),
    ),
    due_after: field('Due from', due('due_after')),
    due_before: field('Due until', due('due_before')),
    schedule: field('Schedule', input({ value: parameters.schedule ?? '', placeholder: 'any' })),
    workflow: field('Workflow', input({ value: parameters.workflow ?? '', placeholder: 'wf_…' })),
  };
}

function valuesOf(fields) {
  const values = {};
  for (const [name, box] of Object.entries(fields)) {
    const text = box.control.value.trim();
    if (text === '') continue;
    if (name === 'label') {
      const equals = text.indexOf('=');
      box.complain(equals < 1 ? 'Write name=value' : '');
      if (equals > 0) values[`label.${text.slice(0, equals)}`] = text.slice(equals + 1);
    } else {
      values[name] = name.startsWith('due_') ? fromInput(text) : text;
    }
  }
  return values;
}

const RARE = ['key', 'label', 'due_after', 'due_before', 'schedule', 'workflow'];

function filterForm(fields, changed) {
  const rare = el(
    'details',
    { class: 'more', open: RARE.some((name) => fields[name].control.value !== '') },
    el('summary', {}, 'More filters'),
    el(
      'div',
      { class: 'filter' },
      RARE.map((name) => fields[name]),
    ),
  );
  const usual = Object.entries(fields)
    .filter(([name]) => !RARE.includes(name))
    .map(([, box]) => box);
  const clear = button(
    'Clear',
    () => {
      for (const box of Object.values(fields)) box.control.value = '';
      changed();
    },
    { class: 'quiet' },
  );
  let timer = 0;
  return el(
    'form',
    {
      class: 'panel filter-box',
      'aria-label': 'Filter',
      on: {
        submit: (event) => {
          event.preventDefault();
          changed();
        },
        input: () => {
          clearTimeout(timer);
          timer = setTimeout(changed, TYPING_MS);
        },
      },
    },
    el('div', { class: 'filter' }, usual, el('div', { class: 'field end' }, clear)),
    rare,
  );
}

async function offerQueues(control, signal) {
  const queues = await get('/v1/queues', { signal }).catch(() => ({ items: [] }));
  if (control.isConnected)
    offer(
      control,
      queues.items.slice(0, 200).map((queue) => queue.name),
    );
}

function openList(page, { view, title, columns, fixed, empty, lead = null }) {
  const fields = filterFields(page.route.parameters, !fixed.state);
  let values = valuesOf(fields);
  const bulk = new BulkBar(view);
  const table = new Table(columns, {
    label: title,
    key: (item) => item.id,
    empty,
    selectable: true,
    onSelect: (ids) => bulk.select(ids),
  });
  const pager = new Pager(
    '/v1/commands',
    () => ({ ...values, ...fixed }),
    (items, { searching }) => {
      const filtered = Object.keys(values).length > 0;
      table.render(
        items,
        searching
          ? nothing('None so far. A rare filter is searched in steps: go on, further back.')
          : filtered
            ? nothing('No command fits this filter.')
            : empty,
      );
    },
  );
  const refresh = page.keep(
    4000,
    (signal) => pager.load(signal),
    (command) => pager.first && (!fixed.state || command.state === fixed.state || table.has(command.id)),
  );
  pager.refresh = refresh;
  const changed = () => {
    values = valuesOf(fields);
    refine([view], values);
    bulk.filter({ ...values, ...fixed });
    pager.restart();
  };
  bulk.filter({ ...values, ...fixed });
  page.show(
    el('header', { class: 'head' }, el('h1', {}, title), lead),
    filterForm(fields, changed),
    bulk.node,
    el('section', { class: 'panel flush' }, table.node),
    pager.node,
  );
  offerQueues(fields.queue.control, page.signal);
}

export function openCommands(page) {
  openList(page, {
    view: 'commands',
    title: 'Commands',
    columns: listColumns,
    fixed: {},
    empty: nothing(
      'No command yet. Submit one with the button above, or:',
      `curl -s ${location.origin}/v1/commands -H 'Content-Type: application/json' \\\n     -d '{"type": "builtin.echo", "payload": {"hello": "world"}, "delay_ms": 2000}'`,
    ),
  });
}

export function openDead(page) {
  page.title('Dead letters');
  const lead = el('p', { class: 'muted' });
  const redrive = (command) =>
    button(
      'Redrive',
      async (event) => {
        await act(
          event.currentTarget,
          () => post(`/v1/commands/${command.id}/retry`),
          `${command.id} has a fresh set of attempts`,
        );
      },
      { data: { act: 'redrive' }, class: 'small' },
    );
  const tell = () => {
    if (!history.last) return;
    const waiting = history.last.dead_letters_waiting;
    replace(
      lead,
      `${count(history.last.commands.dead)} gave up.`,
      waiting > 0
        ? ` ${count(waiting)} of their messages wait to be published to duly.dead.`
        : ' Each has a message on duly.dead.',
    );
  };
  history.addEventListener('sample', tell, { signal: page.signal });
  tell();
  openList(page, {
    view: 'dead',
    title: 'Dead letters',
    fixed: { state: 'dead' },
    lead,
    columns: [...deadColumns, { title: '', class: 'narrow-cell', cell: redrive }],
    empty: nothing(
      'No command has given up. One that does (attempts used up, or its handler said “do not retry”) is kept here to be redriven. To see it:',
      `curl -s ${location.origin}/v1/commands -H 'Content-Type: application/json' \\\n     -d '{"type": "builtin.fail", "payload": {"times": 9, "retryable": false}}'`,
    ),
  });
}
