// Who is told of a command's end, and what became of telling him.
import { copy } from './dialog.js';
import { button, el, facts } from './el.js';
import { exact, when } from './format.js';
import { state } from './state.js';

const MEANS = {
  waiting: 'It is called when the command ends.',
  owed: 'The command has ended, and the receiver has not taken it yet.',
  delivered: 'The receiver has taken it.',
  given_up: 'The receiver was never told: the attempts are used up.',
};

// Null without one.  The URL is somebody's text, and takes a POST: no link.
export function callbackPanel(command) {
  const told = command.callback;
  if (!told) return null;
  const next = told.next_at && el('span', {}, exact(told.next_at), ' (', when(told.next_at), ')');
  return el(
    'section',
    { class: 'panel callback' },
    el(
      'div',
      { class: 'panel-head' },
      el('h2', {}, 'Callback ', state(told.state)),
      button('Copy URL', () => copy(command.callback_url, 'URL'), { class: 'small quiet' }),
    ),
    el('p', { class: 'mono whole' }, command.callback_url),
    el('p', { class: 'muted' }, MEANS[told.state]),
    facts([
      ['Attempts to tell it', told.attempts > 0 && told.attempts],
      ['Next attempt', next],
      ['Last error', told.last_error],
    ]),
  );
}
