// One visit to a view: what it draws into, what it keeps up to date, and its end.
import { Offline, Problem } from './api.js';
import { connection } from './connection.js';
import { complaint } from './dialog.js';
import { button, el, replace } from './el.js';
import { live, sleep } from './live.js';

const EVENTS_REST_MS = 1000;

export class Page {
  #leave = new AbortController();
  #shown = false; // the task has once been done

  constructor(main, route) {
    this.route = route;
    this.content = el('div', { class: 'view' });
    this.problem = el('div', { class: 'empty problem-box', hidden: true });
    replace(main, this.problem, this.content);
  }

  get signal() {
    return this.#leave.signal;
  }

  leave() {
    this.#leave.abort();
  }

  title(text) {
    document.title = `${text} · Duly`;
  }

  show(...nodes) {
    replace(this.content, nodes);
  }

  // Keeps `task` done: now, again `ms` after it was done, at once when refresh() is called or the connection is back, and,
  // with `wanted`, soon after an event for which it is true.  What it throws is shown in the place of the view.
  keep(ms, task, wanted = null) {
    let wake = () => {};
    let again = false;
    this.signal.addEventListener('abort', () => wake());
    const refresh = () => {
      again = true;
      wake();
    };
    const loop = async () => {
      while (!this.signal.aborted) {
        again = false;
        await this.#once(task);
        await connection.untilBack(this.signal);
        if (again || this.signal.aborted) continue;
        await new Promise((resolve) => {
          wake = resolve;
          setTimeout(resolve, document.hidden ? ms * 5 : ms);
        });
      }
    };
    connection.addEventListener('back', refresh, { signal: this.signal });
    if (wanted) this.#onEvents(wanted, refresh);
    loop();
    return refresh;
  }

  // A burst of events is one refresh.
  #onEvents(wanted, refresh) {
    let resting = false;
    live.addEventListener(
      'event',
      async ({ detail }) => {
        if (resting || !(detail.kind === 'reset' || wanted(detail.command))) return;
        resting = true;
        await sleep(EVENTS_REST_MS);
        resting = false;
        if (!this.signal.aborted) refresh();
      },
      { signal: this.signal },
    );
  }

  async #once(task) {
    try {
      await task(this.signal);
      this.#shown = true;
      this.problem.hidden = true;
      this.content.hidden = false;
    } catch (error) {
      if (this.signal.aborted) return;
      if (error instanceof Offline) return; // the banner says so; what was shown stays
      if (!(error instanceof Problem)) throw error;
      // Too busy just now: what was shown stays, and is asked for again.
      const passing = error.status === 429 || error.status >= 500;
      if (!passing || !this.#shown) this.#complain(error);
    }
  }

  #complain(error) {
    const texts = {
      401: 'This server wants an API key.',
      403: 'Your key does not allow this view.',
      404: 'There is no such thing here (any more).',
    };
    replace(
      this.problem,
      el('h2', {}, texts[error.status] ?? 'This did not work.'),
      el('p', {}, complaint(error)),
      error.status === 401 && button('Enter a key', () => location.reload(), { class: 'primary' }),
      el('p', {}, el('a', { href: '#/' }, 'To the overview')),
    );
    this.problem.hidden = false;
    this.content.hidden = true;
  }
}
