// A line chart of the samples of history.js, drawn by hand in SVG: a few lines, an axis, a cross-hair that reads them.
import { el, replace, svg } from './el.js';
import { clock, hourMinute } from './format.js';
import { GAP } from './history.js';

const HEIGHT = 132;
const LEFT = 46;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
const STEPS = [1, 2, 2.5, 5, 10];

// Round numbers that hold `most`, in about three steps.
function scale(most, least) {
  const rough = Math.max(most, least) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.map((s) => s * power).find((s) => s >= rough * 0.999);
  const top = Math.ceil(Math.max(most, least) / step - 1e-9) * step;
  return { step, top };
}

// lines: [{name, of: 'field of a sample', class}]; text(value) writes one, axis(value) beside the axis; least: the smallest top of the axis.
export class Chart {
  #samples = [];
  #span = 0;
  #width = 0;

  constructor({ title, lines, text, axis = text, least = 1 }) {
    Object.assign(this, { title, lines, text, axis, least });
    this.values = lines.map((line) => el('b', {}, '–'));
    this.picture = svg('svg', { class: 'chart', height: HEIGHT, role: 'img' });
    this.at = el('span', { class: 'muted at' });
    this.node = el(
      'figure',
      { class: 'panel chart-box' },
      el(
        'figcaption',
        {},
        el('h3', {}, title),
        this.at,
        el(
          'span',
          { class: 'legend' },
          lines.map((line, i) =>
            el('span', { class: line.class }, el('i', { class: 'key' }), line.name, ' ', this.values[i]),
          ),
        ),
      ),
      this.picture,
    );
    this.picture.addEventListener('pointermove', (event) => this.#point(event.offsetX));
    this.picture.addEventListener('pointerleave', () => this.#point(null));
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      this.#draw();
    }).observe(this.picture);
  }

  update(samples, span) {
    this.#samples = samples;
    this.#span = span;
    this.#draw();
  }

  #x(at) {
    return LEFT + (1 - (this.#end - at) / this.#span) * (this.#width - LEFT - RIGHT);
  }

  #y(value) {
    return TOP + (1 - value / this.#top) * (HEIGHT - TOP - BOTTOM);
  }

  get #end() {
    return this.#samples.at(-1).at;
  }

  #top = 1;
  #cross = null;

  #draw() {
    if (this.#samples.length === 0 || this.#width < 80) return;
    const most = Math.max(...this.lines.map((line) => Math.max(...this.#samples.map((s) => s[line.of] ?? 0))));
    const { step, top } = scale(most, this.least);
    this.#top = top;
    this.#cross = svg('g', { class: 'cross' });
    replace(
      this.picture,
      this.#grid(step, top),
      this.#hours(),
      this.lines.map((line) => svg('path', { d: this.#path(line.of), class: `line ${line.class}` })),
      this.#cross,
    );
    this.#read(this.#samples.at(-1), '');
    this.picture.setAttribute(
      'aria-label',
      `${this.title}, the last ${this.#span / 60000} minutes; now ` +
        this.lines.map((line) => `${line.name} ${this.#value(this.#samples.at(-1), line)}`).join(', '),
    );
  }

  #grid(step, top) {
    const marks = [];
    for (let value = 0; value <= top * 1.001; value += step) {
      const y = this.#y(value);
      marks.push(
        svg('line', { x1: LEFT, x2: this.#width - RIGHT, y1: y, y2: y, class: value === 0 ? 'base' : 'grid' }),
        svg('text', { x: LEFT - 6, y: y + 3.5, 'text-anchor': 'end' }, this.axis(value)),
      );
    }
    return marks;
  }

  #hours() {
    const every = this.#span / 5;
    const marks = [];
    for (let at = Math.ceil((this.#end - this.#span) / every) * every; at <= this.#end; at += every) {
      const x = this.#x(at);
      if (x > LEFT + 14 && x < this.#width - 16)
        marks.push(svg('text', { x, y: HEIGHT - 5, 'text-anchor': 'middle' }, hourMinute(at)));
    }
    return marks;
  }

  // One point every two pixels at most, the highest of those that fall there: a peak is never lost.
  #path(name) {
    let path = '';
    let pen = false;
    let column = null;
    let peak = 0;
    let last = 0;
    const flush = () => {
      if (column === null) return;
      path += `${pen ? 'L' : 'M'}${column} ${this.#y(peak).toFixed(1)}`;
      pen = true;
      column = null;
    };
    for (const sample of this.#samples) {
      const value = sample[name];
      if (value === null || sample.at - last > GAP) {
        flush();
        pen = false;
      }
      last = sample.at;
      if (value === null) continue;
      const x = Math.round(this.#x(sample.at) / 2) * 2;
      if (x !== column) {
        flush();
        column = x;
        peak = value;
      }
      peak = Math.max(peak, value);
    }
    flush();
    return path;
  }

  #value(sample, line) {
    const value = sample[line.of];
    return value === null || value === undefined ? '–' : this.text(value);
  }

  #read(sample, at) {
    this.lines.forEach((line, i) => {
      this.values[i].textContent = this.#value(sample, line);
    });
    this.at.textContent = at;
  }

  #point(x) {
    if (this.#samples.length === 0 || !this.#cross) return;
    if (x === null) {
      replace(this.#cross);
      this.#read(this.#samples.at(-1), '');
      return;
    }
    const near = this.#samples.reduce((a, b) => (Math.abs(this.#x(b.at) - x) < Math.abs(this.#x(a.at) - x) ? b : a));
    const px = this.#x(near.at);
    replace(
      this.#cross,
      svg('line', { x1: px, x2: px, y1: TOP, y2: HEIGHT - BOTTOM }),
      this.lines
        .filter((line) => near[line.of] !== null)
        .map((line) => svg('circle', { cx: px, cy: this.#y(near[line.of]), r: 3, class: line.class })),
    );
    this.#read(near, clock(near.at));
  }
}
