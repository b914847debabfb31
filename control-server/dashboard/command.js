// One command: what it is, why it is where it is, its life as a line of events, and what can be done with it.
import { get, getText, post, segment } from './api.js';
import { drawAttempts } from './attempts.js';
import { callbackPanel } from './callback.js';
import { commandLink, deliversTo } from './command_columns.js';
import { act, ask, confirm, copy } from './dialog.js';
import { button, el, facts, link, replace } from './el.js';
import { field, input } from './field.js';
import { exact, fromInput, serverNow, span, toInput, when } from './format.js';
import { elements, member, pretty } from './json_text.js';
import { jsonBox, jsonField, textBox } from './payload.js';
import { href } from './route.js';
import { hasEnded, state } from './state.js';
import { timeline } from './timeline.js';
import { traceOf } from './trace.js';

const MANY = 12;

// ---- what can be done

function reschedule(command, refresh) {
  const due = input({
    type: 'datetime-local',
    step: 1,
    value: toInput(Math.max(Date.parse(command.due_at), serverNow() + 60000)),
  });
  return ask({
    title: 'Reschedule',
    action: 'Move it',
    content: [field('Due at', due, 'In this browser’s time zone.')],
    submit: async () => {
      if (!due.value) throw new Error('Say when.');
      await post(`/v1/commands/${command.id}/reschedule`, { due_at: fromInput(due.value) });
      refresh();
      return true;
    },
  });
}

function redriveWith(command, payload, refresh) {
  const box = jsonField('Payload', pretty(payload), 'The one it has now is kept as a revision.');
  return ask({
    title: 'Redrive with another payload',
    action: 'Redrive',
    wide: true,
    content: [box],
    submit: async () => {
      if (box.complaint) throw new Error(box.complaint);
      await post(`/v1/commands/${command.id}/retry`, `{"payload":${box.raw}}`);
      refresh();
      return true;
    },
  });
}

function actions(command, payload, refresh) {
  const after = (work) => async () => {
    await work();
    refresh();
  };
  const path = `/v1/commands/${command.id}`;
  const list = [];
  if (command.state === 'dead') {
    list.push(
      button(
        'Redrive',
        (event) =>
          act(
            event.currentTarget,
            after(() => post(`${path}/retry`)),
            'It has a fresh set of attempts',
          ),
        { class: 'primary' },
      ),
      button('Redrive with another payload…', () => redriveWith(command, payload, refresh)),
    );
  }
  if (['waiting', 'scheduled', 'queued'].includes(command.state))
    list.push(button('Reschedule…', () => reschedule(command, refresh)));
  if (!hasEnded(command.state)) {
    const text =
      command.state === 'running' ? 'Its executor is told to stop; what it has done stays done.' : 'It will never run.';
    list.push(
      button(
        'Cancel…',
        () =>
          confirm(
            'Cancel this command?',
            text,
            'Cancel it',
            after(() => post(`${path}/cancel`)),
          ),
        { class: 'danger-quiet' },
      ),
    );
  }
  return list;
}

// ---- what is told

function links(ids, to) {
  return el(
    'span',
    { class: 'marks' },
    ids.slice(0, MANY).map(to),
    ids.length > MANY && el('span', { class: 'muted' }, `and ${ids.length - MANY} more`),
  );
}

function headersOf(deliver) {
  return links(Object.entries(deliver.headers), ([name, value]) =>
    el('span', { class: 'tag' }, `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`),
  );
}

function about(command) {
  const deliver = command.deliver;
  const retry = command.retry;
  return facts([
    ['Queue', link(href(['commands'], { queue: command.queue }), command.queue)],
    ['Delivers to', deliver && deliversTo(deliver)],
    ['Headers', deliver && Object.keys(deliver.headers).length > 0 && headersOf(deliver)],
    ['Due', el('span', {}, exact(command.due_at), ' (', when(command.due_at), ')')],
    ['Attempt', `${command.attempt} of ${command.max_attempts}`],
    ['Priority', command.priority],
    ['Key', command.key && link(href(['commands'], { key: command.key }), command.key)],
    ['Accepted', exact(command.created_at)],
    ['Ended', command.finished_at && exact(command.finished_at)],
    ['Time limit', span(command.timeout_ms)],
    ['Expires', command.expires_at && exact(command.expires_at)],
    [
      'Retry',
      `${span(retry.initial_delay_ms)} × ${retry.multiplier} up to ${span(retry.max_delay_ms)}, ±${Math.round(retry.jitter * 100)} %`,
    ],
    ['If its executor is lost', command.on_lost === 'dead' ? 'dead: must not run twice' : 'try again'],
    ['Shard', link('#/shards', command.shard)],
    ['Schedule', command.schedule && link(href(['schedules', command.schedule]), command.schedule)],
    ['Fire', command.fire_at && exact(command.fire_at)],
    [
      'Workflow',
      command.workflow && link(href(['workflows', command.workflow]), `${command.node ?? ''} in ${command.workflow}`),
    ],
    ['Depends on', command.depends_on.length > 0 && links(command.depends_on, commandLink)],
    [
      'Labels',
      Object.keys(command.labels).length > 0 &&
        links(Object.entries(command.labels), ([name, value]) =>
          el('a', { class: 'tag', href: href(['commands'], { [`label.${name}`]: value }) }, `${name}=${value}`),
        ),
    ],
  ]);
}

function whyBox(explained) {
  if (!explained || explained.reasons.length === 0) return null;
  return el(
    'section',
    { class: 'panel why' },
    el('h2', {}, 'Why it is where it is'),
    el(
      'ul',
      {},
      explained.reasons.map((one) => el('li', {}, el('code', {}, one.code), ' ', one.detail)),
    ),
  );
}

async function showRevisions(command) {
  const text = await getText(`/v1/commands/${command.id}/revisions`);
  const items = elements(member(text, 'items'));
  await ask({
    title: 'Earlier payloads',
    action: 'Close',
    wide: true,
    content:
      items.length === 0
        ? el('p', {}, 'None: it was never redriven with another.')
        : items.map((raw) => {
            const one = JSON.parse(raw);
            return el(
              'div',
              {},
              el('p', { class: 'muted' }, `Revision ${one.revision}, replaced by ${one.by} `, when(one.replaced_at)),
              el('pre', { class: 'json' }, pretty(member(raw, 'payload'))),
            );
          }),
  });
}

function draw(page, text, explained, refresh) {
  const command = JSON.parse(text);
  const payload = member(text, 'payload') ?? 'null';
  const result = member(text, 'result') ?? 'null';
  page.title(`${command.type} ${command.id}`);
  return [
    el(
      'header',
      { class: 'head' },
      el(
        'p',
        { class: 'crumbs' },
        link('#/commands', 'Commands'),
        ' / ',
        el('span', { class: 'mono' }, command.id),
        ' ',
        button('Copy id', () => copy(command.id, 'Id'), { class: 'small quiet' }),
      ),
      el(
        'h1',
        {},
        el('span', { class: 'clip' }, command.type),
        ' ',
        state(command.state),
        command.reason && el('span', { class: 'tag' }, command.reason.replaceAll('_', ' ')),
      ),
      el(
        'div',
        { class: 'actions start' },
        actions(command, payload, refresh),
        button('Earlier payloads', () => showRevisions(command), { class: 'quiet' }),
      ),
    ),
    command.error && textBox('Error', command.error, 'bad'),
    whyBox(explained),
    el('section', { class: 'panel' }, about(command), traceOf(command)),
    callbackPanel(command),
    el('section', { class: 'panel' }, el('h2', {}, 'Life'), drawAttempts(command), timeline(command)),
    el(
      'div',
      { class: 'columns' },
      command.payload_base64 === undefined
        ? jsonBox('Payload', payload)
        : textBox(`Payload, ${command.content_type}, in base64`, command.payload_base64),
      result === 'null' && command.state !== 'succeeded' ? null : jsonBox('Result', result),
    ),
  ];
}

export function openCommand(page, id) {
  let seen = '';
  const box = el('div', { class: 'view' });
  page.show(box);
  const refresh = page.keep(
    3000,
    async (signal) => {
      const text = await getText(`/v1/commands/${segment(id)}`, { signal });
      const ended = hasEnded(JSON.parse(text).state);
      const explained = ended ? null : await get(`/v1/commands/${segment(id)}/explain`, { signal }).catch(() => null);
      const mark = text + JSON.stringify(explained);
      if (mark === seen) return;
      seen = mark;
      // Whoever is at a button stays at it.
      const focused = box.contains(document.activeElement) ? document.activeElement.textContent : '';
      replace(box, draw(page, text, explained, refresh));
      if (focused) [...box.querySelectorAll('button, a')].find((one) => one.textContent === focused)?.focus();
    },
    (command) => command.id === id,
  );
}
