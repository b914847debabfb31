// What the clocks of a time zone show, from the browser's own zone database.
const formats = new Map();

function formatOf(zone) {
  if (!formats.has(zone)) {
    formats.set(
      zone,
      new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        year: 'numeric',
        month: '2-digit',
        day: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
      }),
    );
  }
  return formats.get(zone);
}

// False for a name that the browser does not know; the server may.
export function knowsZone(zone) {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

// Seconds that the clocks are ahead of UTC at that second of UTC.
export function offsetAt(zone, utc) {
  if (zone === 'UTC') return 0;
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(new Date(utc * 1000))
      .map((part) => [part.type, Number(part.value)]),
  );
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) / 1000 - utc;
}

const shown = new Map();

// "Sun 2027-03-28 03:00:00" in that zone.
export function inZone(zone, ms) {
  if (!shown.has(zone)) {
    shown.set(
      zone,
      new Intl.DateTimeFormat('en-GB', {
        timeZone: zone,
        weekday: 'short',
        year: 'numeric',
        month: '2-digit',
        day: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hourCycle: 'h23',
      }),
    );
  }
  const p = Object.fromEntries(
    shown
      .get(zone)
      .formatToParts(new Date(ms))
      .map((part) => [part.type, part.value]),
  );
  return `${p.weekday} ${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}`;
}

export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
export const allZones = () => ['UTC', ...(Intl.supportedValuesOf?.('timeZone') ?? [])];
