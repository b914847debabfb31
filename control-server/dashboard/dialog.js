// Questions, forms and short news.  Escape and Back mean no; the focus goes back to where it was.
import { Offline } from './api.js';
import { button, el, freshId, replace } from './el.js';

// Shows a dialog of a title, `content` and buttons; resolves to what `submit` returned, or to null when it was left; undefined keeps it open.
// `submit` is given the button; it may throw: what it says is shown, and the dialog stays.
export function ask({ title, content = [], action, danger = false, wide = false, submit = () => true }) {
  const titleId = freshId('title');
  const problem = el('p', { class: 'problem', role: 'alert', hidden: true });
  const go = el('button', { class: danger ? 'danger' : 'primary' }, action);
  const dialog = el('dialog', { 'aria-labelledby': titleId, class: wide ? 'wide' : 'narrow' });
  return new Promise((resolve) => {
    const done = (value) => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    const form = el(
      'form',
      {
        novalidate: true,
        on: {
          submit: async (event) => {
            event.preventDefault();
            go.disabled = true;
            problem.hidden = true;
            try {
              const value = await submit(go);
              if (value !== undefined) done(value);
            } catch (error) {
              replace(problem, complaint(error));
              problem.hidden = false;
            } finally {
              go.disabled = false;
            }
          },
        },
      },
      el('h2', { id: titleId }, title),
      content,
      problem,
      el(
        'div',
        { class: 'actions' },
        button('Back', () => done(null), { class: 'quiet' }),
        go,
      ),
    );
    dialog.append(form);
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      done(null);
    });
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector('input, select, textarea') ?? go).focus();
  });
}

// Leaves the dialog that `node` is in, as Back does.
export function leaveDialogOf(node) {
  node.closest('dialog')?.dispatchEvent(new Event('cancel', { cancelable: true }));
}

export function complaint(error) {
  if (error instanceof Offline)
    return 'The server does not answer. Whether it was done is not known: look before you try again.';
  const places = (error.errors ?? []).filter((one) => one.pointer);
  if (places.length > 1)
    return el(
      'ul',
      {},
      places.map((one) => el('li', {}, el('code', {}, one.pointer), ' ', one.detail)),
    );
  return error.message;
}

export const confirm = (title, text, action, submit, danger = true) =>
  ask({
    title,
    content: [el('p', {}, text)],
    action,
    danger,
    submit: async () => {
      await submit();
      return true;
    },
  });

// ---- news

const SHOWN_MS = 6000;

export function toast(text, kind = 'good', extra = null) {
  const node = el(
    'div',
    { class: `toast ${kind}` },
    el('span', {}, text),
    extra,
    button('×', () => node.remove(), { class: 'quiet icon-button', 'aria-label': 'Dismiss' }),
  );
  document.getElementById('toasts').append(node);
  setTimeout(() => node.remove(), kind === 'bad' ? SHOWN_MS * 2 : SHOWN_MS);
}

// Runs what a button stands for: no second press meanwhile, and its outcome is told.
export async function act(control, work, success) {
  if (control) control.disabled = true;
  try {
    const value = await work();
    if (success) toast(typeof success === 'function' ? success(value) : success);
    return value;
  } catch (error) {
    const text = complaint(error);
    toast(typeof text === 'string' ? text : error.message, 'bad');
    return undefined;
  } finally {
    if (control) control.disabled = false;
  }
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast('This browser does not let pages copy here: select the text instead.', 'bad');
  }
}
