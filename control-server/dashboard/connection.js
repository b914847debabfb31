// Whether the server answers.  Everyone who asks it reports here; whoever shows or waits listens here.
import { serverNow } from './format.js';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15000;

class Connection extends EventTarget {
  lost = false;
  waitMs = 0;
  retryAt = 0;
  lastAnswer = 0;
  #nudge = null;

  heard() {
    this.lastAnswer = serverNow();
    this.waitMs = 0;
    if (!this.lost) return;
    this.lost = false;
    this.dispatchEvent(new Event('back'));
  }

  failed() {
    if (this.lost) return;
    this.lost = true;
    this.dispatchEvent(new Event('lost'));
  }

  // Resolves when it is time to try again: after a while that doubles, or at once when a person asks for it.
  async pause() {
    this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs === 0 ? FIRST_WAIT_MS : this.waitMs * 2);
    this.retryAt = Date.now() + this.waitMs;
    this.dispatchEvent(new Event('waiting'));
    await new Promise((resolve) => {
      this.#nudge = resolve;
      setTimeout(resolve, this.waitMs);
    });
  }

  tryNow() {
    this.waitMs = 0;
    this.#nudge?.();
  }

  // Resolves at once when it is not lost, else when it is back.
  untilBack(signal) {
    if (!this.lost) return Promise.resolve();
    return new Promise((resolve) => {
      this.addEventListener('back', resolve, { once: true, signal });
      signal?.addEventListener('abort', resolve, { once: true });
    });
  }
}

export const connection = new Connection();
