// JSON that came from somebody, shown as it was written, and a place to write some.
import { copy } from './dialog.js';
import { button, el } from './el.js';
import { field } from './field.js';
import { complaintOf, pretty } from './json_text.js';

// More than this is laid out only when asked for: a payload may have a megabyte.
const SHOWN = 20000;

export function jsonBox(title, text) {
  const code = el('pre', { class: 'json', tabindex: 0, 'aria-label': title });
  const whole = pretty(text);
  const more = button(
    `Show all ${Math.round(whole.length / 1024)} KiB`,
    () => {
      code.textContent = whole;
      more.remove();
    },
    { class: 'small' },
  );
  code.textContent = whole.slice(0, SHOWN);
  return el(
    'section',
    { class: 'panel' },
    el(
      'div',
      { class: 'panel-head' },
      el('h2', {}, title),
      button('Copy', () => copy(text, title), { class: 'small quiet' }),
    ),
    code,
    whole.length > SHOWN && more,
  );
}

export function textBox(title, text, kind = '') {
  return el(
    'section',
    { class: 'panel' },
    el('h2', {}, title),
    el('pre', { class: `json ${kind}`, tabindex: 0, 'aria-label': title }, text),
  );
}

// A field for JSON; .raw is its text, .complaint what is wrong with it.
export function jsonField(label, text, hint = 'Any JSON, passed on byte for byte.') {
  const area = el('textarea', {
    rows: Math.min(14, Math.max(4, text.split('\n').length + 1)),
    spellcheck: 'false',
    value: text,
  });
  const box = field(label, area, hint);
  const check = () => box.complain(complaintOf(area.value));
  area.addEventListener('input', check);
  // Tab leaves a text area, as keyboards expect; two spaces are typed by hand.
  Object.defineProperty(box, 'raw', { get: () => area.value.trim() });
  Object.defineProperty(box, 'complaint', { get: () => complaintOf(area.value) });
  return box;
}
