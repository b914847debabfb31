// Who holds what, at a glance: a square a shard, one colour an agent, and the agents named beneath.
import { el, replace } from './el.js';

const HUES = 10;
const MOST_SQUARES = 1024;
const MOST_NAMES = 24;

const given = new Map();

// The colour of an agent: the same on every view for as long as the page is open, different while there are enough.
export function hueOf(agent) {
  if (!given.has(agent)) given.set(agent, given.size % HUES);
  return given.get(agent);
}

// Names first seen in their order get their colours in their order.
export function learnHues(shards) {
  for (const name of [...new Set(shards.map((shard) => shard.agent).filter(Boolean))].sort()) hueOf(name);
}

export const shardClass = (shard) => `is-${shard.state} ${shard.agent ? `hue-${hueOf(shard.agent)}` : ''}`;

export class ShardStrip {
  constructor() {
    this.squares = el('div', { class: 'strip', role: 'img' });
    this.names = el('ul', { class: 'strip-names' });
    this.node = el('div', {}, this.squares, this.names);
  }

  update(shards) {
    learnHues(shards);
    const holders = new Map();
    for (const shard of shards) if (shard.agent) holders.set(shard.agent, (holders.get(shard.agent) ?? 0) + 1);
    const free = shards.filter((shard) => !shard.agent).length;
    const sorted = [...holders].sort(([a], [b]) => a.localeCompare(b));
    this.#draw(shards.slice(0, MOST_SQUARES));
    this.squares.setAttribute(
      'aria-label',
      `${shards.length} shards: ${sorted.map(([name, n]) => `${name} ${n}`).join(', ')}${free ? `, free ${free}` : ''}`,
    );
    replace(
      this.names,
      sorted
        .slice(0, MOST_NAMES)
        .map(([name, n]) => el('li', {}, el('i', { class: `key hue-${hueOf(name)}` }), name, ' ', el('b', {}, n))),
      sorted.length > MOST_NAMES && el('li', {}, `and ${sorted.length - MOST_NAMES} more`),
      free > 0 && el('li', {}, el('i', { class: 'key is-free' }), 'free ', el('b', {}, free)),
    );
  }

  #draw(shards) {
    while (this.squares.children.length < shards.length) this.squares.append(el('i'));
    while (this.squares.children.length > shards.length) this.squares.lastChild.remove();
    shards.forEach((shard, i) => {
      const square = this.squares.children[i];
      square.className = shardClass(shard);
      square.title = `shard ${shard.shard}: ${shard.agent ?? 'free'}, ${shard.state}, epoch ${shard.epoch}`;
    });
  }
}
