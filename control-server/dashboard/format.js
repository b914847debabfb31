// Numbers, spans and instants as people read them.
import { el } from './el.js';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (n) => whole.format(n);
export const short = (n) => (Math.abs(n) < 10000 ? whole.format(n) : compact.format(n));

export function rate(n) {
  if (n >= 100) return short(Math.round(n));
  return n === 0 ? '0' : n.toFixed(n >= 10 ? 0 : 1);
}

export function millis(ms) {
  if (ms === 0) return '0 ms';
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10000) return `${(ms / 1000).toFixed(2)} s`;
  return span(ms);
}

// For an axis: one unit, at most one decimal.
export function millisShort(ms) {
  if (ms < 60000) return ms < 1000 ? millis(ms) : `${Number((ms / 1000).toFixed(1))} s`;
  return ms < 7200000 ? `${Number((ms / 60000).toFixed(1))} min` : `${Number((ms / 3600000).toFixed(1))} h`;
}

const UNITS = [
  [86400000, 'd'],
  [3600000, 'h'],
  [60000, 'min'],
  [1000, 's'],
];

// Two units at most: "2 h 5 min".
export function span(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const at = UNITS.findIndex(([size]) => ms >= size);
  const [size, unit] = UNITS[at];
  const first = Math.floor(ms / size);
  const next = UNITS[at + 1];
  const rest = next ? Math.floor((ms - first * size) / next[0]) : 0;
  return rest > 0 && first < 100 ? `${first} ${unit} ${rest} ${next[1]}` : `${first} ${unit}`;
}

// ---- the server's clock

// The server judges what is due: where its clock and this machine's differ by more than the header's second shows,
// relative times follow the server.
let skew = 0;
export function heardDate(header) {
  const at = Date.parse(header ?? '');
  if (Number.isNaN(at)) return;
  const difference = at + 500 - Date.now();
  skew = Math.abs(difference) > 3000 ? difference : 0;
}
export const serverNow = () => Date.now() + skew;

// ---- instants

const pad = (n, width = 2) => String(n).padStart(width, '0');

export function clock(ms, withMillis = false) {
  const d = new Date(ms);
  const text = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  return withMillis ? `${text}.${pad(d.getMilliseconds(), 3)}` : text;
}

export function hourMinute(ms) {
  const d = new Date(ms);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}`;
}

export function day(ms) {
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
}

export const full = (ms) => `${day(ms)} ${clock(ms, true)}`;

// Exact while it matters: seconds below ten minutes, minutes below two hours.
function coarse(away) {
  const text = span(away);
  const oneUnit = (away >= 600000 && away < 3600000) || away >= 7200000;
  return oneUnit ? text.split(' ').slice(0, 2).join(' ') : text;
}

function relative(ms) {
  const away = ms - serverNow();
  if (Math.abs(away) < 1000) return 'now';
  return away > 0 ? `in ${coarse(away)}` : `${coarse(-away)} ago`;
}

// "in 3 min", kept up to date by tickTimes; the exact instant in its title.
export function when(iso, empty = '–') {
  if (!iso) return el('span', { class: 'muted' }, empty);
  const ms = Date.parse(iso);
  return el('time', { datetime: iso, title: full(ms), data: { at: ms } }, relative(ms));
}

// The instant itself, in this browser's zone.
export function exact(iso, empty = '–') {
  if (!iso) return el('span', { class: 'muted' }, empty);
  const ms = Date.parse(iso);
  return el('time', { datetime: iso, title: iso }, full(ms));
}

export function tickTimes() {
  for (const node of document.querySelectorAll('time[data-at]')) {
    const text = relative(Number(node.dataset.at));
    if (node.textContent !== text) node.textContent = text;
  }
}

// What <input type="datetime-local"> takes and gives, in this browser's zone.
export function toInput(ms) {
  return `${day(ms)}T${clock(ms)}`;
}
export function fromInput(text) {
  return new Date(text).toISOString();
}

// "1,5s" is not a duration; "90s", "5 min", "2h", "1d" and plain milliseconds are.
export function parseSpan(text) {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?\s*$/.exec(text);
  if (!match) return null;
  const factor = { ms: 1, s: 1000, min: 60000, m: 60000, h: 3600000, d: 86400000 }[match[2] ?? 'ms'];
  return Math.round(Number(match[1]) * factor);
}
