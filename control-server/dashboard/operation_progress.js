// How far an operation on many commands is.  The server knows what it has done, not what is left: where a dry run
// counted before, the rest is known here.
import { get, post } from './api.js';
import { act } from './dialog.js';
import { button, el } from './el.js';
import { count } from './format.js';
import { sleep } from './live.js';

const EVERY_MS = 500;
const expected = new Map();

export const expect = (id, matched) => expected.set(id, matched);

// Asks until it has ended; tells each time.
export async function untilEnded(id, signal, tell) {
  for (;;) {
    const operation = await get(`/v1/operations/${id}`, { signal });
    tell(operation);
    if (operation.state !== 'running') return operation;
    await sleep(EVERY_MS);
  }
}

export const stopButton = (operation) =>
  button(
    'Stop',
    (event) =>
      act(
        event.currentTarget,
        () => post(`/v1/operations/${operation.id}/stop`),
        'Stopped; what it has changed stays changed',
      ),
    { class: 'small', data: { act: 'stop' } },
  );

export class OperationProgress {
  constructor(operation) {
    this.bar = el('progress', { 'aria-label': 'Progress' });
    this.text = el('span');
    this.stop = stopButton(operation);
    this.node = el('div', { class: 'progress' }, this.bar, this.text, this.stop);
    this.update(operation);
  }

  update(operation) {
    const all = expected.get(operation.id);
    const ended = operation.state !== 'running';
    if (ended) {
      this.bar.max = 1;
      this.bar.value = 1;
    } else if (all) {
      this.bar.max = all;
      this.bar.value = Math.min(all, operation.changed);
    }
    this.stop.hidden = ended;
    this.text.textContent = `${count(operation.changed)}${all ? ` of ${count(all)}` : ''} changed, ${count(operation.skipped)} skipped`;
  }
}
