// What makes the page live: /v1/stats every two seconds, and the server's events where it has them.
import { Offline, Problem, get, request } from './api.js';
import { connection } from './connection.js';
import { EventReader } from './event_reader.js';
import { history } from './history.js';

const BEAT_MS = 2000;
const LONGEST_WAIT_MS = 15000;

class Live extends EventTarget {
  mode = 'connecting';  // then 'events' or 'polling'; 'refused' while there is no key
  #lastId = '';

  start(hasEvents) {
    this.#beat();
    if (hasEvents) this.#listen();
    else this.#enter('polling');
  }

  #enter(mode) {
    if (this.mode === mode) return;
    this.mode = mode;
    this.dispatchEvent(new Event('mode'));
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

  // A stream that ends is asked for again, from where it ended.
  async #listen() {
    let wait = 500;
    for (;;) {
      await connection.untilBack();
      try {
        const headers = this.#lastId ? { 'Last-Event-ID': this.#lastId } : {};
        const response = await request('GET', '/v1/events', { headers, stream: true });
        this.#enter('events');
        wait = 500;
        await this.#read(response);
      } catch (error) {
        if (error instanceof Problem && [401, 403, 404].includes(error.status)) return this.#enter('polling');
      }
      await sleep(wait);
      wait = Math.min(LONGEST_WAIT_MS, wait * 2);
      // What was missed while nobody listened is read anew.
      if (!this.#lastId) this.#tell({ kind: 'reset' });
    }
  }

  async #read(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const frames = new EventReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      for (const frame of frames.feed(value)) this.#take(frame);
    }
  }

  #take(frame) {
    if (frame.id) this.#lastId = frame.id;
    if (frame.event === 'reset') return this.#tell({ kind: 'reset' });
    if (frame.event !== 'command') return undefined;
    try {
      return this.#tell({ kind: 'command', command: JSON.parse(frame.data) });
    } catch {
      return undefined;  // a frame of a later version
    }
  }

  #tell(detail) {
    this.dispatchEvent(new CustomEvent('event', { detail }));
  }
}

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
export const live = new Live();
