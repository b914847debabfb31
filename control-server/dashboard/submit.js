// Submitting: one command now, later, or at an instant; or a handful of the same at once.
import { freshKey, post, request } from './api.js';
import { commandLink } from './command_columns.js';
import { CommandForm, objectText, placeErrors } from './command_form.js';
import { complaint, copy } from './dialog.js';
import { button, el, link, replace } from './el.js';
import { field, input, radios } from './field.js';
import { fromInput, parseSpan, serverNow, toInput } from './format.js';

const MOST = 100;

// The shell's single quotes hold everything but themselves.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curlOf(body, many) {
  return `curl -s ${location.origin}/v1/commands${many ? '/batch' : ''} -H 'Content-Type: application/json' \\\n     -d ${quoted(body)}`;
}

class Submit {
  constructor(page) {
    this.page = page;
    this.form = new CommandForm({
      type: page.route.parameters.type ?? 'builtin.echo',
      queue: page.route.parameters.queue,
    });
    this.delay = field('Delay', input({ value: '30s' }), '90s, 5 min, 2 h, 1 d.');
    this.at = field(
      'At',
      input({ type: 'datetime-local', step: 1, value: toInput(serverNow() + 3600000) }),
      'In this browser’s time zone.',
    );
    this.when = radios(
      'When',
      [
        ['now', 'Now'],
        ['delay', 'After a delay'],
        ['at', 'At a time'],
      ],
      'now',
      () => this.#drawWhen(),
    );
    this.many = field(
      'How many',
      input({ type: 'number', min: 1, max: MOST, value: '1' }),
      `The same, 1 to ${MOST}, stored all or none.`,
    );
    this.problem = el('div', { class: 'problem', role: 'alert', hidden: true });
    this.done = el('section', { class: 'panel done', role: 'status', hidden: true });
    this.curl = el('pre', { class: 'curl', tabindex: 0, 'aria-label': 'The same as a curl line' });
    this.go = el('button', { class: 'primary' }, 'Submit');
    this.key = freshKey();
    this.node = el(
      'form',
      {
        class: 'panel form',
        novalidate: true,
        on: {
          submit: (event) => {
            event.preventDefault();
            this.#submit();
          },
          input: () => this.#changed(),
        },
      },
      this.form.nodes,
      el('div', { class: 'grid' }, this.when, this.delay, this.at, this.many),
      this.problem,
      el('div', { class: 'actions start' }, this.go),
    );
    this.#drawWhen();
  }

  #drawWhen() {
    this.delay.hidden = this.when.value !== 'delay';
    this.at.hidden = this.when.value !== 'at';
    this.#changed();
  }

  get #count() {
    return Number(this.many.control.value);
  }

  #texts() {
    const texts = this.form.members();
    if (this.when.value === 'delay') texts.delay_ms = JSON.stringify(parseSpan(this.delay.control.value));
    if (this.when.value === 'at' && this.at.control.value)
      texts.due_at = JSON.stringify(fromInput(this.at.control.value));
    return texts;
  }

  // The same key is sent until something is changed or it was taken: what is sent twice is stored once.
  #changed() {
    this.key = freshKey();
    this.curl.textContent =
      this.#count > 1
        ? curlOf(`{"commands":[${objectText(this.#texts())}, … ${this.#count} times]}`, true)
        : curlOf(objectText(this.#texts()), false);
  }

  #check() {
    const delay = this.when.value === 'delay' && parseSpan(this.delay.control.value) === null;
    this.delay.complain(delay ? 'Write 90s, 5 min, 2 h or 1 d.' : '');
    const at = this.when.value === 'at' && !this.at.control.value;
    this.at.complain(at ? 'Say when.' : '');
    const many = !(Number.isInteger(this.#count) && this.#count >= 1 && this.#count <= MOST);
    this.many.complain(many ? `A whole number from 1 to ${MOST}.` : '');
    return this.form.check() && !delay && !at && !many;
  }

  async #submit() {
    this.problem.hidden = true;
    if (!this.#check()) {
      this.node.querySelector('[aria-invalid]')?.focus();
      return;
    }
    this.go.disabled = true;
    try {
      this.#show(this.#count > 1 ? await this.#sendMany() : [await this.#sendOne()]);
      this.key = freshKey();
    } catch (error) {
      const boxes = {
        ...this.form.boxes,
        delay_ms: this.delay,
        due_at: this.at,
      };
      const rest = placeErrors(error, boxes);
      replace(this.problem, rest.length > 0 ? rest.join('; ') : complaint(error));
      this.problem.hidden = false;
    } finally {
      this.go.disabled = false;
    }
  }

  async #sendOne() {
    const response = await request('POST', '/v1/commands', {
      body: objectText(this.#texts()),
      headers: { 'Idempotency-Key': this.key },
    });
    return (await response.json()).id;
  }

  async #sendMany() {
    const commands = Array.from({ length: this.#count }, (_, i) =>
      objectText({ ...this.#texts(), idempotency_key: JSON.stringify(`${this.key}-${i}`) }),
    );
    return (await post('/v1/commands/batch', `{"commands":[${commands.join(',')}]}`)).items.map((item) => item.id);
  }

  #show(ids) {
    replace(
      this.done,
      el('h2', {}, ids.length === 1 ? 'Accepted, and on disk' : `${ids.length} accepted, and on disk`),
      el(
        'ul',
        { class: 'ids' },
        ids.map((id) => el('li', {}, commandLink(id))),
      ),
      ids.length > 1 && el('p', {}, link('#/commands', 'See them in the list')),
    );
    this.done.hidden = false;
    this.done.scrollIntoView({ block: 'nearest' });
  }
}

export function openSubmit(page) {
  const submit = new Submit(page);
  page.show(
    el('header', { class: 'head' }, el('h1', {}, 'Submit a command')),
    submit.node,
    submit.done,
    el(
      'section',
      { class: 'panel' },
      el(
        'div',
        { class: 'panel-head' },
        el('h2', {}, 'The same from a shell'),
        button('Copy', () => copy(submit.curl.textContent, 'Line'), { class: 'small quiet' }),
      ),
      submit.curl,
    ),
  );
  submit.form.offer(page.signal);
}
