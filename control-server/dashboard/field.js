// Form fields: a label, the control, a hint and a place for what is wrong with it.
import { el, freshId } from './el.js';

export function field(label, control, hint = '') {
  control.id ||= freshId('field');
  const hintId = `${control.id}-hint`;
  const note = el('small', { id: hintId, class: 'hint' }, hint);
  control.setAttribute('aria-describedby', hintId);
  const box = el('div', { class: 'field' }, el('label', { for: control.id }, label), control, note);
  // Shows what is wrong in the place of the hint; empty = nothing is.
  box.complain = (text) => {
    note.textContent = text || hint;
    box.classList.toggle('wrong', Boolean(text));
    if (text) control.setAttribute('aria-invalid', 'true');
    else control.removeAttribute('aria-invalid');
  };
  box.control = control;
  return box;
}

export function input(props = {}) {
  return el('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', ...props });
}

// choices: ['a', 'b'] or [['a', 'What a means'], …]
export function select(choices, chosen, props = {}) {
  const control = el(
    'select',
    props,
    choices.map((choice) => {
      const [value, text] = Array.isArray(choice) ? choice : [choice, choice];
      return el('option', { value }, text);
    }),
  );
  control.value = chosen;
  return control;
}

export function checkbox(label, checked = false) {
  const control = el('input', { type: 'checkbox', checked });
  const box = el('label', { class: 'check' }, control, ' ', label);
  box.control = control;
  return box;
}

// One of several; .value of the result is the chosen one.
export function radios(legend, choices, chosen, changed = () => {}) {
  const name = freshId('radio');
  const box = el(
    'fieldset',
    { class: 'radios' },
    el('legend', {}, legend),
    choices.map(([value, text]) =>
      el(
        'label',
        { class: 'check' },
        el('input', { type: 'radio', name, value, checked: value === chosen, on: { change: () => changed(value) } }),
        ' ',
        text,
      ),
    ),
  );
  Object.defineProperty(box, 'value', { get: () => box.querySelector('input:checked').value });
  return box;
}

// A list that the browser offers while typing; the field takes anything.
export function offer(control, values) {
  const list = el(
    'datalist',
    { id: freshId('list') },
    [...new Set(values)].map((value) => el('option', { value })),
  );
  control.setAttribute('list', list.id);
  control.after(list);
}
