// When a cron expression fires, computed here while it is typed: the server previews only what is stored.  The rules are
// those of docs/schedules.md; a browser test holds this to the server's own answers.
import { offsetAt } from './zone.js';

const NAMES = { month: 'janfebmaraprmayjunjulaugsepoctnovdec', 'day of week': 'sunmontuewedthufrisat' };
const KINDS = [
  { title: 'second', low: 0, high: 59, last: 59, spreadLast: 59 },
  { title: 'minute', low: 0, high: 59, last: 59, spreadLast: 59 },
  { title: 'hour', low: 0, high: 23, last: 23, spreadLast: 23 },
  { title: 'day of month', low: 1, high: 31, last: 31, spreadLast: 28 },
  { title: 'month', low: 1, high: 12, last: 12, spreadLast: 12 },
  { title: 'day of week', low: 0, high: 7, last: 6, spreadLast: 6 },
];
const MACROS = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const DAY = 86400;
const MONTHS_SEARCHED = 400 * 12 + 1;

// ---- what the schedule's name fixes

const WORD = (1n << 64n) - 1n;

function stableHash(name) {
  let hash = 14695981039346656037n;
  for (const byte of new TextEncoder().encode(name)) hash = ((hash ^ BigInt(byte)) * 1099511628211n) & WORD;
  return hash;
}

function mix(value) {
  let v = (value + 0x9e3779b97f4a7c15n) & WORD;
  v = ((v ^ (v >> 30n)) * 0xbf58476d1ce4e5b9n) & WORD;
  v = ((v ^ (v >> 27n)) * 0x94d049bb133111ebn) & WORD;
  return v ^ (v >> 31n);
}

// ---- reading

class FieldReader {
  constructor(kind, fields, seed) {
    Object.assign(this, { kind, fields, seed, set: new Set() });
  }

  read(text) {
    for (const item of text.split(',')) {
      if (item === '') this.wrong('has a comma with nothing beside it');
      this.#item(item);
      this.seed = mix(this.seed);
    }
    return this.set;
  }

  wrong(what) {
    throw new Error(`${this.kind.title}: ${what}`);
  }

  #item(item) {
    const { title, low, last } = this.kind;
    if (title === 'day of month' && item.toUpperCase() === 'L') {
      this.fields.lastDay = true;
      return;
    }
    if (title === 'day of week' && item.includes('#')) return this.#nth(item);
    if (title === 'day of week' && item.length > 1 && item.toUpperCase().endsWith('L')) {
      this.fields.lastWeekdays.add(this.#value(item.slice(0, -1)) % 7);
      return;
    }
    const slash = item.indexOf('/');
    const stepped = slash >= 0;
    const step = stepped ? this.#number(item.slice(slash + 1)) : 1;
    const most = last - low + 1;
    if (!(step >= 1 && step <= most)) this.wrong(`the step of ‘${item}’ is not a number from 1 to ${most}`);
    const range = stepped ? item.slice(0, slash) : item;
    if (range.includes('~')) this.#spread(range, step, stepped);
    else this.#range(range, step, stepped);
  }

  #range(text, step, stepped) {
    if (text === '*') return this.#fill(this.kind.low, this.kind.last, step);
    const dash = text.indexOf('-');
    const from = this.#value(dash < 0 ? text : text.slice(0, dash));
    if (dash < 0) return this.#fill(from, stepped ? Math.max(from, this.kind.last) : from, step);
    let to = this.#value(text.slice(dash + 1));
    if (this.kind.title === 'day of week' && to === 0 && from > 0) to = 7;
    if (from > to) this.wrong(`‘${text}’ runs backwards: write it as two ranges with a comma between`);
    return this.#fill(from, to, step);
  }

  #spread(text, step, stepped) {
    const tilde = text.indexOf('~');
    const from = tilde === 0 ? this.kind.low : this.#value(text.slice(0, tilde));
    const open = tilde + 1 === text.length;
    const to = open ? (tilde === 0 ? this.kind.spreadLast : this.kind.last) : this.#value(text.slice(tilde + 1));
    if (from > to) this.wrong(`‘${text}’ runs backwards`);
    const choices = stepped ? Math.min(step, to - from + 1) : to - from + 1;
    const first = from + Number(this.seed % BigInt(choices));
    this.#fill(first, stepped ? to : first, step);
  }

  #nth(item) {
    const mark = item.indexOf('#');
    const weekday = this.#value(item.slice(0, mark));
    const nth = this.#number(item.slice(mark + 1));
    if (!(nth >= 1 && nth <= 5)) this.wrong(`after the # of ‘${item}’ stands no number from 1 to 5`);
    this.fields.nthWeekdays.add(`${nth} ${weekday % 7}`);
  }

  #number(text) {
    return /^\d+$/.test(text) ? Number(text) : NaN;
  }

  #value(text) {
    const at = text.length === 3 ? (NAMES[this.kind.title] ?? '').indexOf(text.toLowerCase()) : -1;
    if (at >= 0 && at % 3 === 0) return this.kind.low + at / 3;
    const value = this.#number(text);
    if (value >= this.kind.low && value <= this.kind.high) return value;
    return this.wrong(
      `‘${text}’ is not ${NAMES[this.kind.title] ? 'a name or ' : ''}a number from ${this.kind.low} to ${this.kind.high}`,
    );
  }

  #fill(from, to, step) {
    for (let n = from; n <= to; n += step) this.set.add(this.kind.title === 'day of week' ? n % 7 : n);
  }
}

export function parseCron(expression, name) {
  let texts = expression.split(/[ \t]+/).filter(Boolean);
  if (texts.length === 1 && texts[0].startsWith('@')) {
    const expanded = MACROS[texts[0].toLowerCase()];
    if (!expanded) throw new Error(`‘${texts[0]}’ is not one of ${Object.keys(MACROS).join(' ')}`);
    texts = expanded.split(' ');
  }
  if (texts.length !== 5 && texts.length !== 6) {
    throw new Error(
      `${texts.length} fields; there are 5 (minute, hour, day of month, month, day of week) or 6 with seconds in front`,
    );
  }
  const fields = { lastDay: false, lastWeekdays: new Set(), nthWeekdays: new Set(), sets: [new Set([0])] };
  const absent = 6 - texts.length;
  const seed = stableHash(name);
  texts.forEach((text, i) => {
    fields.sets[i + absent] = new FieldReader(KINDS[i + absent], fields, mix((seed + BigInt(i + absent)) & WORD)).read(
      text,
    );
  });
  fields.anyDay = texts.at(-3).startsWith('*');
  fields.anyWeekday = texts.at(-1).startsWith('*');
  fields.times = timesOf(fields);
  if (firstDay(fields, 0) === null) throw new Error('no date fits');
  return fields;
}

// The seconds of a day, in order.
function timesOf({ sets: [seconds, minutes, hours] }) {
  const sorted = (set) => [...set].sort((a, b) => a - b);
  const inHour = sorted(minutes).flatMap((minute) => sorted(seconds).map((second) => minute * 60 + second));
  return { hours: sorted(hours), inHour };
}

// ---- searching, in local time on a plain calendar

function fits(fields, day) {
  const date = new Date(day * DAY * 1000);
  const [, , , days, months, weekdays] = fields.sets;
  if (!months.has(date.getUTCMonth() + 1)) return false;
  const inMonth = date.getUTCDate();
  const weekday = date.getUTCDay();
  const length = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  const byWeekday =
    weekdays.has(weekday) ||
    fields.nthWeekdays.has(`${Math.ceil(inMonth / 7)} ${weekday}`) ||
    (inMonth + 7 > length && fields.lastWeekdays.has(weekday));
  const byDay = days.has(inMonth) || (fields.lastDay && inMonth === length);
  return fields.anyDay || fields.anyWeekday ? byDay && byWeekday : byDay || byWeekday;
}

// The first fitting day from `from` on; whole months that cannot fit are skipped.
function firstDay(fields, from) {
  const months = fields.sets[4];
  let day = from;
  for (let i = 0; i < MONTHS_SEARCHED;) {
    const date = new Date(day * DAY * 1000);
    const next = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / (DAY * 1000);
    if (months.has(date.getUTCMonth() + 1)) {
      for (; day < next; day += 1) if (fits(fields, day)) return day;
    }
    day = next;
    i += 1;
  }
  return null;
}

// Local seconds from `from` on, in order.
function* localTimes(fields, from) {
  const { hours, inHour } = fields.times;
  let day = firstDay(fields, Math.floor(from / DAY));
  while (day !== null) {
    for (const hour of hours) {
      if (day * DAY + hour * 3600 + 3599 < from) continue;
      for (const rest of inHour) {
        const local = day * DAY + hour * 3600 + rest;
        if (local >= from) yield local;
      }
    }
    day = firstDay(fields, day + 1);
  }
}

// When the clocks of the zone first show `local`, or where they never do, jump past it.
function reach(zone, local) {
  const before = offsetAt(zone, local - DAY);
  const after = offsetAt(zone, local + DAY);
  const shown = [before, after].map((offset) => local - offset).filter((utc) => utc + offsetAt(zone, utc) === local);
  if (shown.length > 0)
    return { at: Math.min(...shown), shift: shown.length > 1 && shown[0] !== shown[1] ? 'fold' : null };
  let low = local - Math.max(before, after) - 1;
  let high = local - Math.min(before, after) + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (middle + offsetAt(zone, middle) >= local) high = middle;
    else low = middle;
  }
  return { at: high, shift: 'gap' };
}

// The next `most` fires after `afterMs`: [{at: ms, shift: null | 'gap' | 'fold'}].
export function nextFires(fields, zone, afterMs, most) {
  const after = Math.floor(afterMs / 1000);
  const fires = [];
  let last = after;
  for (const local of localTimes(fields, after + offsetAt(zone, after) - DAY / 8)) {
    const reached = reach(zone, local);
    if (reached.at <= last) continue;
    last = reached.at;
    fires.push({ at: reached.at * 1000, shift: reached.shift });
    if (fires.length === most) break;
  }
  return fires;
}
