// The API key, where the server wants one: asked for once, kept until the tab is closed, sent in a header only.
import { button, el } from './el.js';
import { field } from './field.js';

const STORED = 'duly-api-key';
export const keyGiven = new EventTarget(); // 'given' when there is one that was not there before
let asking = null;
let declined = false;

export const currentKey = () => sessionStorage.getItem(STORED) ?? '';

export function forgetKey() {
  sessionStorage.removeItem(STORED);
  location.reload();
}

// Whether a key was given.  All who are refused at the same time wait for one answer; who says no is not asked again
// until the page is loaded anew.
export function askForKey(reason) {
  if (declined) return Promise.resolve(false);
  asking ??= show(reason).then((key) => {
    asking = null;
    if (key === null) declined = true;
    else sessionStorage.setItem(STORED, key);
    if (key !== null) keyGiven.dispatchEvent(new Event('given'));
    return key !== null;
  });
  return asking;
}

function show(reason) {
  const input = el('input', { type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  const dialog = el('dialog', { class: 'narrow', 'aria-labelledby': 'key-title' });
  return new Promise((resolve) => {
    const done = (key) => {
      dialog.close();
      dialog.remove();
      resolve(key);
    };
    const form = el(
      'form',
      {
        on: {
          submit: (event) => {
            event.preventDefault();
            done(input.value.trim());
          },
        },
      },
      el('h2', { id: 'key-title' }, 'This server wants an API key'),
      el('p', { class: 'muted' }, reason),
      field('API key', input, 'Kept in this tab until it is closed. “duly-server keys new NAME ROLE” prints one.'),
      el(
        'div',
        { class: 'actions' },
        button('Not now', () => done(null)),
        el('button', { class: 'primary' }, 'Use it'),
      ),
    );
    dialog.append(form);
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      done(null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
