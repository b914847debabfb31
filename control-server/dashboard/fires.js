// Fires to come as a list: in the schedule's zone, from now, and what summer time does to each.
import { el, replace } from './el.js';
import { when } from './format.js';
import { inZone, knowsZone } from './zone.js';

const SHIFTS = {
  gap: 'This local time does not exist that day: it fires at the end of the gap.',
  fold: 'This local time exists twice that day: it fires at the first.',
};

// fires: [{at: ms, shift}]
export function fireList(fires, zone) {
  const shownZone = knowsZone(zone) ? zone : 'UTC';
  return el(
    'ol',
    { class: 'fires' },
    fires.map((fire) =>
      el(
        'li',
        {},
        el('time', { class: 'mono', datetime: new Date(fire.at).toISOString() }, inZone(shownZone, fire.at)),
        ' ',
        el('span', { class: 'muted' }, when(new Date(fire.at).toISOString())),
        fire.shift && el('span', { class: 'tag', title: SHIFTS[fire.shift] }, `summer time: ${fire.shift}`),
      ),
    ),
  );
}

export function showFires(box, fires, zone) {
  replace(box, fires.length === 0 ? el('p', { class: 'muted' }, 'No fires to come.') : fireList(fires, zone));
}
