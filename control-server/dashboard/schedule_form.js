// Making or changing a schedule, with its next fires shown while it is typed.
import { request, segment } from './api.js';
import { CommandForm, objectText, placeErrors } from './command_form.js';
import { nextFires, parseCron } from './cron.js';
import { complaint, toast } from './dialog.js';
import { el, link, replace } from './el.js';
import { field, input, offer, radios, select } from './field.js';
import { showFires } from './fires.js';
import { fromInput, parseSpan, serverNow, span, toInput } from './format.js';
import { member } from './json_text.js';
import { go } from './route.js';
import { allZones, knowsZone, ownZone } from './zone.js';

const PREVIEWED = 5;
const OVERLAPS = [
  ['allow', 'make the next all the same'],
  ['skip', 'skip the next'],
  ['buffer_one', 'let one wait for its end'],
  ['cancel_other', 'cancel it'],
];
const CATCH_UPS = [
  ['one', 'make the latest'],
  ['all', 'make all (up to 100, of a day)'],
  ['skip', 'skip them'],
];

const instantInput = (iso) => input({ type: 'datetime-local', step: 1, value: iso ? toInput(Date.parse(iso)) : '' });

class ScheduleForm {
  // stored: the schedule as the API shows it, text: the same as text, tag: its ETag; all empty for a new one.
  constructor(stored, text, tag) {
    Object.assign(this, { stored, tag });
    const old = stored ?? {};
    this.name = field(
      'Name',
      input({ value: old.name ?? '', required: true, disabled: Boolean(stored) }),
      'Letters, digits, dot, dash, underscore.',
    );
    this.kind = radios(
      'When',
      [
        ['cron', 'Cron'],
        ['every', 'Every'],
      ],
      old.every_ms ? 'every' : 'cron',
      () => this.#changed(),
    );
    this.cron = field(
      'Cron',
      input({ value: old.cron ?? '0 9 * * MON-FRI', class: 'mono' }),
      'minute hour day month weekday; six fields with seconds in front; L # ~ @hourly.',
    );
    this.every = field('Every', input({ value: old.every_ms ? span(old.every_ms) : '15 min' }), '30s, 15 min, 2 h.');
    this.zone = field(
      'Time zone',
      input({ value: old.time_zone ?? ownZone() }),
      'An IANA name, such as Europe/Berlin.',
    );
    this.overlap = field('If the one before has not ended', select(OVERLAPS, old.overlap ?? 'allow'));
    this.catchUp = field('If fires were missed', select(CATCH_UPS, old.catch_up?.policy ?? 'one'));
    this.jitter = field(
      'Jitter',
      input({ value: old.jitter_ms ? span(old.jitter_ms) : '', placeholder: 'none' }),
      'Spreads the due times: 30s, 5 min.',
    );
    this.start = field('Not before', instantInput(old.start_at));
    this.end = field('Not after', instantInput(old.end_at));
    this.command = new CommandForm(
      old.command ?? { type: 'builtin.echo' },
      text ? member(text, 'command') : undefined,
    );
    this.preview = el('div', { class: 'preview', 'aria-live': 'polite', 'aria-label': 'Next fires' });
    this.problem = el('div', { class: 'problem', role: 'alert', hidden: true });
    this.go = el('button', { class: 'primary' }, stored ? 'Save as a new version' : 'Create');
    this.node = this.#layout();
    this.#changed();
  }

  #layout() {
    return el(
      'form',
      {
        class: 'form',
        novalidate: true,
        on: {
          submit: (event) => {
            event.preventDefault();
            this.#save();
          },
          input: () => this.#changed(),
        },
      },
      el(
        'div',
        { class: 'columns' },
        el(
          'section',
          { class: 'panel' },
          el('div', { class: 'grid' }, this.name, this.zone),
          this.kind,
          this.cron,
          this.every,
          el('div', { class: 'grid' }, this.overlap, this.catchUp),
          el(
            'details',
            { class: 'more' },
            el('summary', {}, 'Jitter, begin and end'),
            el('div', { class: 'grid' }, this.jitter, this.start, this.end),
          ),
        ),
        el('section', { class: 'panel' }, el('h2', {}, 'Next fires'), this.preview),
      ),
      el('section', { class: 'panel' }, el('h2', {}, 'The command it makes'), this.command.nodes),
      this.problem,
      el(
        'div',
        { class: 'actions start' },
        this.go,
        link(this.stored ? `#/schedules/${segment(this.stored.name)}` : '#/schedules', 'Back'),
      ),
    );
  }

  #changed() {
    const every = this.kind.value === 'every';
    this.cron.hidden = every;
    this.every.hidden = !every;
    try {
      const fires = every ? this.#everyFires() : this.#cronFires();
      this.cron.complain('');
      this.every.complain('');
      if (fires) showFires(this.preview, fires, this.zone.control.value.trim());
    } catch (error) {
      (every ? this.every : this.cron).complain(error.message);
      replace(this.preview, el('p', { class: 'muted' }, 'Nothing to show until this is right.'));
    }
  }

  #bounds() {
    const start = this.start.control.value ? new Date(this.start.control.value).getTime() : null;
    const end = this.end.control.value ? new Date(this.end.control.value).getTime() : Infinity;
    return [start, end];
  }

  #cronFires() {
    const fields = parseCron(this.cron.control.value, this.name.control.value.trim());
    const zone = this.zone.control.value.trim() || 'UTC';
    if (!knowsZone(zone)) {
      replace(this.preview, el('p', { class: 'muted' }, 'This browser does not know that time zone; the server may.'));
      return null;
    }
    const [start, end] = this.#bounds();
    return nextFires(fields, zone, Math.max(serverNow(), (start ?? 0) - 1), PREVIEWED).filter((fire) => fire.at <= end);
  }

  #everyFires() {
    const every = parseSpan(this.every.control.value);
    if (!every || every < 100) throw new Error('Write 30s, 15 min or 2 h; 100 ms at least.');
    const [start, end] = this.#bounds();
    const base = start ?? 0;
    const first = Math.max(base, base + Math.ceil((serverNow() - base) / every) * every);
    return Array.from({ length: PREVIEWED }, (_, i) => ({ at: first + i * every, shift: null })).filter(
      (fire) => fire.at <= end,
    );
  }

  #texts() {
    const texts = {
      name: JSON.stringify(this.name.control.value.trim()),
      time_zone: JSON.stringify(this.zone.control.value.trim() || 'UTC'),
    };
    if (this.kind.value === 'every') texts.every_ms = JSON.stringify(parseSpan(this.every.control.value));
    else texts.cron = JSON.stringify(this.cron.control.value.trim());
    texts.overlap = JSON.stringify(this.overlap.control.value);
    texts.catch_up = JSON.stringify({ ...this.stored?.catch_up, policy: this.catchUp.control.value });
    const jitter = this.jitter.control.value.trim();
    if (jitter !== '') texts.jitter_ms = JSON.stringify(parseSpan(jitter));
    for (const [name, box] of [
      ['start_at', this.start],
      ['end_at', this.end],
    ]) {
      if (box.control.value) texts[name] = JSON.stringify(fromInput(box.control.value));
    }
    if (this.stored) texts.enabled = JSON.stringify(this.stored.enabled);
    texts.command = objectText(this.command.members());
    return texts;
  }

  async #save() {
    this.problem.hidden = true;
    this.name.complain(this.name.control.value.trim() === '' ? 'A schedule needs a name.' : '');
    if (!this.command.check() || this.node.querySelector('.wrong:not([hidden])')) {
      this.node.querySelector('[aria-invalid]')?.focus();
      return;
    }
    this.go.disabled = true;
    try {
      const path = this.stored ? `/v1/schedules/${segment(this.stored.name)}` : '/v1/schedules';
      // What somebody else changed meanwhile is not overwritten: the server answers 412.
      const headers = this.tag ? { 'If-Match': this.tag } : {};
      await request(this.stored ? 'PUT' : 'POST', path, { body: objectText(this.#texts()), headers });
      toast(this.stored ? 'Saved as a new version' : 'Created');
      go(['schedules', this.name.control.value.trim()]);
    } catch (error) {
      this.#complain(error);
    } finally {
      this.go.disabled = false;
    }
  }

  #complain(error) {
    const rest = placeErrors(error, {
      name: this.name,
      cron: this.cron,
      every_ms: this.every,
      time_zone: this.zone,
      jitter_ms: this.jitter,
      start_at: this.start,
      end_at: this.end,
      ...this.command.boxes,
    });
    const text =
      error.status === 412
        ? 'Somebody else has changed it meanwhile. Open it again to see the newest version.'
        : rest.join('; ') || complaint(error);
    replace(this.problem, text);
    this.problem.hidden = false;
  }
}

export async function openScheduleForm(page, name) {
  const open = (stored, text, tag) => {
    const form = new ScheduleForm(stored, text, tag);
    page.show(
      el(
        'header',
        { class: 'head' },
        el('p', { class: 'crumbs' }, link('#/schedules', 'Schedules'), stored && ' / ', stored?.name),
        el('h1', {}, stored ? `Edit ${stored.name}` : 'New schedule'),
      ),
      form.node,
    );
    offer(form.zone.control, allZones());
    form.command.offer(page.signal);
  };
  if (name === null) return open(null, '', '');
  let loaded = false;
  page.keep(3600000, async (signal) => {
    if (loaded) return;
    const response = await request('GET', `/v1/schedules/${segment(name)}`, { signal });
    const text = await response.text();
    loaded = true;
    open(JSON.parse(text), text, response.headers.get('ETag'));
  });
  return undefined;
}
