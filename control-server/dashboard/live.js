// What makes the page live: /v1/stats every two seconds, and the server's events where it has them.
import { Offline, Problem, get, request } from './api.js';
import { connection } from './connection.js';
import { EventReader } from './event_reader.js';
import { history } from './history.js';

const BEAT_MS = 2000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
// The server sends a comment every 15 s when nothing happens.
const SILENCE_MS = 50000;

class Live extends EventTarget {
  mode = 'connecting'; // then 'events' or 'polling'; 'refused' while there is no key
  #lastId = '';

  start(hasEvents, hasHistory) {
    if (hasHistory) this.#remember();
    this.#beat();
    if (hasEvents) this.#listen();
    else this.#enter('polling');
  }

  #enter(mode) {
    if (this.mode === mode) return;
    this.mode = mode;
    this.dispatchEvent(new Event('mode'));
  }

  // Once: what comes later this page sees itself.  Without it the charts begin now.
  async #remember() {
    try {
      history.begin(await get('/v1/stats/history'), Date.now());
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Offline)) throw error;
    }
  }

  async #beat() {
    for (;;) {
      const begun = Date.now();
      try {
        history.add(await get('/v1/stats'), Date.now());
      } catch (error) {
        if (error instanceof Problem && error.status === 401) return this.#enter('refused');
        if (error instanceof Offline) {
          await connection.pause();
          continue;
        }
      }
      await sleep(Math.max(200, BEAT_MS - (Date.now() - begun)));
    }
  }

  // A stream that ends is asked for again, from where it ended; one that cannot be opened, later and later.
  async #listen() {
    let wait = FIRST_WAIT_MS;
    for (;;) {
      await connection.untilBack();
      const leave = new AbortController();
      try {
        const headers = this.#lastId ? { 'Last-Event-ID': this.#lastId } : {};
        const response = await request('GET', '/v1/events', { headers, stream: true, signal: leave.signal });
        this.#enter('events');
        wait = FIRST_WAIT_MS;
        await this.#read(response, leave);
      } catch (error) {
        if (error instanceof Problem) this.#enter('polling');
        if (error instanceof Problem && [401, 403, 404].includes(error.status)) return;
      }
      leave.abort();
      await sleep(wait);
      wait = Math.min(LONGEST_WAIT_MS, wait * 2);
      // What was missed while nobody listened is read anew.
      if (!this.#lastId) this.#tell({ kind: 'reset' });
    }
  }

  // Until it ends, or says nothing for longer than the server ever is silent: then the way to it is broken.
  async #read(response, leave) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const frames = new EventReader();
    let heard = Date.now();
    const watch = setInterval(() => {
      if (Date.now() - heard > SILENCE_MS) leave.abort();
    }, SILENCE_MS / 10);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        heard = Date.now();
        for (const frame of frames.feed(value)) this.#take(frame);
      }
    } finally {
      clearInterval(watch);
    }
  }

  #take(frame) {
    if (frame.id) this.#lastId = frame.id;
    if (frame.event === 'reset') return this.#tell({ kind: 'reset' });
    if (frame.event !== 'command') return undefined;
    try {
      return this.#tell({ kind: 'command', command: JSON.parse(frame.data) });
    } catch {
      return undefined; // a frame of a later version
    }
  }

  #tell(detail) {
    this.dispatchEvent(new CustomEvent('event', { detail }));
  }
}

export const sleep = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
export const live = new Live();
