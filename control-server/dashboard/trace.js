// The trace that a command belongs to: what is looked up where traces are kept.
import { copy } from './dialog.js';
import { button, el } from './el.js';

// "00-TRACE-SPAN-FLAGS" of the W3C; null without one.
export function traceOf(command) {
  if (!command.traceparent) return null;
  const id = command.traceparent.split('-')[1];
  return el(
    'p',
    { class: 'trace' },
    el('span', { class: 'muted' }, 'Trace '),
    el('span', { class: 'mono whole', title: command.traceparent }, id),
    ' ',
    button('Copy trace id', () => copy(id, 'Trace id'), { class: 'small quiet' }),
  );
}
