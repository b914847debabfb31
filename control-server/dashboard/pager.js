// A list that comes in pages by cursor: fifty rows, forwards and back; never all of it.
import { get, query } from './api.js';
import { button, el, replace } from './el.js';

const PAGE_ITEMS = 50;
// A rare filter may find nothing in one bounded request: so many are made before a person is asked to go on.
const EMPTY_PAGES = 4;

export class Pager {
  #cursors = [''];
  #next = null;
  #turning = false;

  // parameters() gives the query's filter; shown(items, {searching}) draws.
  constructor(path, parameters, shown) {
    Object.assign(this, { path, parameters, shown });
    this.node = el('div', { class: 'pager' });
    this.refresh = () => {}; // set by who keeps the page
  }

  get first() {
    return this.#cursors.length === 1;
  }

  restart() {
    this.#cursors = [''];
    this.refresh();
  }

  async load(signal) {
    let cursor = this.#cursors.at(-1);
    let answer;
    for (let i = 0; i < EMPTY_PAGES; i += 1) {
      answer = await get(query(this.path, { ...this.parameters(), limit: PAGE_ITEMS, cursor }), { signal });
      if (answer.items.length > 0 || !answer.next_cursor) break;
      cursor = answer.next_cursor;
    }
    this.#next = answer.next_cursor;
    this.shown(answer.items, { searching: answer.items.length === 0 && this.#next !== null });
    this.#draw(answer.items.length);
    if (this.#turning) window.scrollTo(0, 0);
    this.#turning = false;
  }

  #draw(shown) {
    const back = button('Newer', () => this.#turn(() => this.#cursors.pop()), {
      data: { act: 'newer' },
      disabled: this.first,
    });
    const on = button(
      shown === 0 ? 'Search further back' : 'Older',
      () => this.#turn(() => this.#cursors.push(this.#next)),
      { data: { act: 'older' }, disabled: this.#next === null },
    );
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.act : '';
    replace(this.node, back, el('span', { class: 'muted' }, `Page ${this.#cursors.length}`), on);
    this.node.hidden = this.first && this.#next === null;
    if (focused) this.node.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  #turn(step) {
    step();
    this.#turning = true;
    this.refresh();
  }
}
