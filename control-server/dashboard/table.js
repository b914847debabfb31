// A table of rows with keys: what has not changed is not drawn again, so that focus, selection and scrolling stay.
import { el, replace } from './el.js';

// columns: {title, cell(item) → node or text, class}.  options: key(item), empty (node shown instead of no rows),
// selectable: true adds a box to each row, and `selected` holds the keys of those that are ticked.
export class Table {
  selected = new Set();
  #rows = new Map();
  #items = [];

  constructor(columns, options) {
    this.columns = columns;
    this.options = options;
    this.body = el('tbody');
    this.all = el('input', {
      type: 'checkbox',
      'aria-label': 'Select all on this page',
      on: { change: () => this.#selectAll() },
    });
    const heads = columns.map((column) => el('th', { scope: 'col', class: column.class }, column.title));
    if (options.selectable) heads.unshift(el('th', { class: 'tick' }, this.all));
    this.table = el('table', { 'aria-label': options.label }, el('thead', {}, el('tr', {}, heads)), this.body);
    this.empty = el('div', { class: 'empty', hidden: true });
    this.node = el('div', { class: 'table-box' }, this.table, this.empty);
  }

  render(items, empty = this.options.empty) {
    this.#items = items;
    const before = this.#rows;
    this.#rows = new Map();
    const rows = items.map((item) => {
      const key = String(this.options.key(item));
      const mark = JSON.stringify(item);
      let row = before.get(key);
      if (!row || row.mark !== mark) row = this.#draw(row?.node, key, mark, item);
      this.#rows.set(key, row);
      return row.node;
    });
    this.#place(rows);
    for (const key of this.selected) if (!this.#rows.has(key)) this.selected.delete(key);
    this.#selectionChanged();
    this.table.hidden = items.length === 0;
    this.empty.hidden = items.length > 0;
    if (items.length === 0) replace(this.empty, empty);
  }

  has(key) {
    return this.#rows.has(key);
  }

  // A node that stays where it is keeps the focus; so only what is out of place is moved.
  #place(rows) {
    let at = this.body.firstChild;
    for (const row of rows) {
      if (row === at) at = at.nextSibling;
      else this.body.insertBefore(row, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  #draw(node, key, mark, item) {
    const row = node ?? el('tr', { data: { key } });
    const focused = row.contains(document.activeElement) ? document.activeElement.dataset.act : undefined;
    const cells = this.columns.map((column) =>
      el('td', { class: column.class, data: { label: column.title } }, column.cell(item)),
    );
    if (this.options.selectable) cells.unshift(el('td', { class: 'tick' }, this.#box(key)));
    replace(row, cells);
    if (focused) row.querySelector(`[data-act="${focused}"]`)?.focus();
    return { node: row, mark };
  }

  #box(key) {
    const box = el('input', {
      type: 'checkbox',
      checked: this.selected.has(key),
      'aria-label': `Select ${key}`,
      data: { act: 'tick' },
    });
    box.addEventListener('change', () => {
      if (box.checked) this.selected.add(key);
      else this.selected.delete(key);
      this.#selectionChanged();
    });
    return box;
  }

  #selectAll() {
    for (const [key, row] of this.#rows) {
      row.node.querySelector('.tick input').checked = this.all.checked;
      if (this.all.checked) this.selected.add(key);
      else this.selected.delete(key);
    }
    this.#selectionChanged();
  }

  #selectionChanged() {
    this.all.checked = this.#items.length > 0 && this.selected.size === this.#items.length;
    this.all.indeterminate = this.selected.size > 0 && !this.all.checked;
    this.options.onSelect?.(this.selected);
  }
}

// What to do next where there is nothing yet: a sentence, and perhaps a line for a shell.
export function nothing(text, command = '', ...more) {
  return [el('p', {}, text), command && el('pre', { class: 'curl' }, command), more];
}
