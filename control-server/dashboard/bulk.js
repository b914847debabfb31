// Acts on many commands: count first (a dry run on the server), then ask, then begin, then watch.
import { post } from './api.js';
import { ask } from './dialog.js';
import { button, el, replace } from './el.js';
import { count } from './format.js';
import { field, input } from './field.js';
import { OperationProgress, expect, untilEnded } from './operation_progress.js';
import { hasEnded } from './state.js';

// Below this many a yes is enough; from here on the number has to be typed.
const TYPED_FROM = 1000;

// The filter of a list as an operation's body; null when operations know no such filter.
function bodyOf(filter) {
  const { schedule, workflow, ...rest } = filter;
  if (schedule || workflow) return null;
  const labels = {};
  const body = {};
  for (const [name, value] of Object.entries(rest)) {
    if (name.startsWith('label.')) labels[name.slice(6)] = value;
    else body[name] = value;
  }
  if (Object.keys(labels).length > 0) body.labels = labels;
  return Object.keys(body).length > 0 ? body : { all: true };
}

const VERBS = { cancel: ['Cancel', 'cancelled'], retry: ['Redrive', 'redriven'] };

function describe(body) {
  if (body.all) return 'every command there is';
  if (body.ids) return `${count(body.ids.length)} selected`;
  return Object.entries(body)
    .map(([name, value]) =>
      name === 'labels'
        ? Object.entries(value)
            .map(([k, v]) => `label ${k}=${v}`)
            .join(', ')
        : `${name.replace('_', ' ')} ${value}`,
    )
    .join(', ');
}

// Counting may take a while with millions: it is shown, and can be left.
async function countMatches(kind, body, signal) {
  const operation = await post(`/v1/commands/${kind}`, { ...body, dry_run: true });
  return untilEnded(operation.id, signal, () => {});
}

async function bulkAct(kind, body) {
  const [verb, past] = VERBS[kind];
  const leave = new AbortController();
  const text = el('p', {}, 'Counting what this would touch…');
  const typed = input({ inputmode: 'numeric', autocomplete: 'off' });
  const typing = field('Type the number to go on', typed);
  typing.hidden = true;
  const progress = el('div');
  let matched = null;
  let begun = null;
  const counting = countMatches(kind, body, leave.signal).then(
    (found) => {
      matched = found.matched - found.skipped;
      replace(
        text,
        el('strong', {}, count(matched)),
        ` of ${count(found.matched)} that match would be ${past}`,
        found.skipped > 0 ? `; ${count(found.skipped)} are in a state that forbids it.` : '.',
      );
      typing.hidden = matched < TYPED_FROM;
    },
    (error) => {
      text.textContent = `Counting failed: ${error.message}`;
    },
  );
  await ask({
    title: `${verb} many: ${describe(body)}`,
    action: `${verb} them`,
    danger: kind === 'cancel',
    content: [text, typing, progress],
    submit: async (go) => {
      await counting;
      if (begun) return true;
      if (matched === null) return undefined;
      if (matched === 0) throw new Error('There is nothing to do.');
      if (matched >= TYPED_FROM && typed.value.replaceAll(/\D/g, '') !== String(matched))
        throw new Error(`Type ${matched} to go on.`);
      begun = await post(`/v1/commands/${kind}`, body);
      expect(begun.id, matched);
      const shown = new OperationProgress(begun);
      replace(progress, shown.node);
      const ended = await untilEnded(begun.id, leave.signal, (now) => shown.update(now));
      replace(
        text,
        el('strong', {}, count(ended.changed)),
        ` ${past}`,
        ended.skipped > 0 ? `, ${count(ended.skipped)} skipped` : '',
        '. ',
        el('a', { href: `#/operations/${ended.id}` }, 'The operation'),
      );
      typing.hidden = true;
      go.textContent = 'Close';
      go.className = 'primary';
      return undefined;
    },
  });
  leave.abort();
}

// The line above a list that says what can be done with what is selected, or with all that match.
export class BulkBar {
  #filter = {};
  #ids = [];

  constructor(view) {
    this.view = view;
    this.node = el('div', { class: 'bulk', role: 'group', 'aria-label': 'Many at a time' });
    this.#draw();
  }

  filter(values) {
    this.#filter = values;
    this.#draw();
  }

  select(ids) {
    this.#ids = [...ids];
    this.#draw();
  }

  #draw() {
    const body = this.#ids.length > 0 ? { ids: this.#ids } : bodyOf(this.#filter);
    const { state } = this.#filter;
    const mark = JSON.stringify([body, state]);
    if (this.mark === mark) return;
    this.mark = mark;
    const whom = this.#ids.length > 0 ? `${count(this.#ids.length)} selected` : body?.all ? 'all' : 'all that match';
    replace(
      this.node,
      body === null
        ? el('span', { class: 'muted' }, 'Acts on many cannot be narrowed to a schedule or workflow: select rows.')
        : [
            // What has ended is not cancelled, and only what is dead is redriven.
            !(state && hasEnded(state)) &&
              button(`Cancel ${whom}…`, () => bulkAct('cancel', body), { class: 'small' }),
            (!state || state === 'dead') &&
              button(`Redrive ${whom}…`, () => bulkAct('retry', body), { class: 'small' }),
          ],
    );
  }
}
