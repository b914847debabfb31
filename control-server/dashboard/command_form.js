// The fields of a command, for submitting one and inside a schedule.  What is left empty is left to the server's default.
import { get } from './api.js';
import { DeliveryForm } from './delivery_form.js';
import { el } from './el.js';
import { field, input, offer, select } from './field.js';
import { parseSpan } from './format.js';
import { member, pretty } from './json_text.js';
import { jsonField } from './payload.js';

const BUILT_IN = [
  'builtin.echo',
  'builtin.noop',
  'builtin.sleep',
  'builtin.fail',
  'builtin.append',
  'builtin.exec',
  'builtin.http',
];
const RETRY = {
  max_attempts: 'Most attempts',
  initial_delay_ms: 'First wait',
  multiplier: 'Times each',
  max_delay_ms: 'Longest wait',
  jitter: 'Jitter, 0 to 1',
};

function labelText(labels = {}) {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}

function parseLabels(text) {
  const labels = {};
  for (const line of text
    .split('\n')
    .map((one) => one.trim())
    .filter(Boolean)) {
    const equals = line.indexOf('=');
    if (equals < 1) return null;
    labels[line.slice(0, equals).trim()] = line.slice(equals + 1).trim();
  }
  return labels;
}

// What the form shows of a command.  Whatever else one has is kept as it was.
const SHOWN = ['type', 'queue', 'payload', 'priority', 'key', 'labels', 'timeout_ms', 'on_lost', 'retry', 'deliver', 'callback_url'];

export class CommandForm {
  // command: what to begin with, as the API shows it; raw: its own text, of which what is not shown is kept.
  constructor(command = {}, raw = '{"payload": {"hello": "world"}}') {
    this.kept = Object.keys(command)
      .filter((name) => !SHOWN.includes(name) && member(raw, name) !== null)
      .map((name) => [name, member(raw, name)]);
    const text = (name, props = {}) => input({ value: command[name] ?? '', ...props });
    this.type = field(
      'Type',
      text('type', { required: true, placeholder: 'builtin.echo' }),
      'Names the handler that runs it.',
    );
    this.queue = field('Queue', text('queue', { placeholder: 'default' }), 'default, if empty.');
    this.payload = jsonField('Payload', pretty(member(raw, 'payload') ?? 'null'));
    this.delivery = new DeliveryForm(command.deliver, member(member(raw, 'deliver') ?? '{}', 'headers') ?? '');
    this.priority = field(
      'Priority',
      select(['9', '8', '7', '6', '5', '4', '3', '2', '1', '0'], String(command.priority ?? 5)),
      '9 goes first.',
    );
    this.key = field('Key', text('key'), 'Commands of one key run one at a time.');
    this.labels = field(
      'Labels',
      el('textarea', { rows: 2, value: labelText(command.labels), placeholder: 'customer=42' }),
      'name=value, one a line.',
    );
    this.callback = field(
      'Callback URL',
      text('callback_url', { inputmode: 'url' }),
      'http or https: gets a signed POST when the command ends.',
    );
    this.timeout = field(
      'Time limit of an attempt',
      input({ value: command.timeout_ms ?? '', placeholder: '60s' }),
      '90s, 5 min, 2 h; 60 s, if empty.',
    );
    this.onLost = field(
      'If its executor is lost',
      select(
        [
          ['retry', 'try again'],
          ['dead', 'dead: must not run twice'],
        ],
        command.on_lost ?? 'retry',
      ),
    );
    this.retry = Object.fromEntries(
      Object.entries(RETRY).map(([name, label]) => [
        name,
        field(
          label,
          input({
            value: command.retry?.[name] ?? '',
            inputmode: 'decimal',
            placeholder: {
              max_attempts: '3',
              initial_delay_ms: '1s',
              multiplier: '2',
              max_delay_ms: '60s',
              jitter: '0.1',
            }[name],
          }),
        ),
      ]),
    );
    this.more = el(
      'details',
      { class: 'more' },
      el('summary', {}, 'Priority, key, labels, callback, retries, limits'),
      el('div', { class: 'grid' }, this.priority, this.key, this.labels, this.callback, this.timeout, this.onLost),
      el('fieldset', { class: 'grid' }, el('legend', {}, 'Retries'), Object.values(this.retry)),
    );
    this.nodes = [el('div', { class: 'grid' }, this.type, this.queue), this.payload, this.delivery.nodes, this.more];
  }

  // The field of each member, for placeErrors().
  get boxes() {
    return {
      type: this.type,
      queue: this.queue,
      payload: this.payload,
      key: this.key,
      callback_url: this.callback,
      ...this.delivery.boxes,
    };
  }

  async offer(signal) {
    offer(this.type.control, BUILT_IN);
    const queues = await get('/v1/queues', { signal }).catch(() => ({ items: [] }));
    if (this.queue.control.isConnected)
      offer(
        this.queue.control,
        queues.items.slice(0, 200).map((one) => one.name),
      );
  }

  // Marks what cannot be read; true when all can.  The server judges the rest.
  check() {
    const empty = this.type.control.value.trim() === '';
    this.type.complain(empty ? 'A command needs a type.' : '');
    const timeout = this.timeout.control.value.trim();
    this.timeout.complain(timeout !== '' && parseSpan(timeout) === null ? 'Write 90s, 5 min or 2 h.' : '');
    const badLabels = parseLabels(this.labels.control.value) === null;
    this.labels.complain(badLabels ? 'Write name=value, one a line.' : '');
    return this.delivery.check() && [...this.#boxes()].every((box) => !box.classList.contains('wrong')) && !this.payload.complaint;
  }

  #boxes() {
    return [this.type, this.queue, this.priority, this.key, this.labels, this.timeout, ...Object.values(this.retry)];
  }

  // The members of the command as raw JSON texts, so that the payload stays as it was typed.
  members() {
    const members = { type: this.type.control.value.trim() };
    const put = (name, value) => {
      if (value !== '' && value !== null) members[name] = value;
    };
    put('queue', this.queue.control.value.trim());
    put('key', this.key.control.value.trim());
    put('callback_url', this.callback.control.value.trim());
    if (this.priority.control.value !== '5') members.priority = Number(this.priority.control.value);
    const timeout = this.timeout.control.value.trim();
    if (timeout !== '') members.timeout_ms = parseSpan(timeout);
    const labels = parseLabels(this.labels.control.value) ?? {};
    if (Object.keys(labels).length > 0) members.labels = labels;
    if (this.onLost.control.value !== 'retry') members.on_lost = this.onLost.control.value;
    const retry = this.#retryValues();
    if (Object.keys(retry).length > 0) members.retry = retry;
    const texts = Object.fromEntries(Object.entries(members).map(([name, value]) => [name, JSON.stringify(value)]));
    Object.assign(texts, Object.fromEntries(this.kept));
    if (this.delivery.raw) texts.deliver = this.delivery.raw;
    if (this.payload.raw !== '' && this.payload.raw !== 'null') texts.payload = this.payload.raw;
    return texts;
  }

  #retryValues() {
    const values = {};
    for (const [name, box] of Object.entries(this.retry)) {
      const text = box.control.value.trim();
      if (text !== '') values[name] = name.endsWith('_ms') ? (parseSpan(text) ?? text) : Number(text);
    }
    return values;
  }
}

// {"type": …, "payload": …} out of raw texts.
export function objectText(texts) {
  return `{${Object.entries(texts)
    .map(([name, text]) => `${JSON.stringify(name)}:${text}`)
    .join(',')}}`;
}

// Puts each complaint of the server beside the field it is about; answers those that have no field here.
export function placeErrors(problem, boxes) {
  const homeless = [];
  for (const one of problem.errors ?? []) {
    const name = one.pointer
      .split('/')
      .filter(Boolean)
      .find((part) => part in boxes);
    if (name) {
      boxes[name].complain(one.detail);
      const folded = boxes[name].closest('details');
      if (folded) folded.open = true;
    } else homeless.push(`${one.pointer} ${one.detail}`.trim());
  }
  return homeless;
}
