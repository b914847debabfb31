// The shard map: a cell a shard, with its holder, its epoch and what is due in it; and what can be done with one.
import { get, post, put, remove, segment } from './api.js';
import { act, ask, confirm, leaveDialogOf } from './dialog.js';
import { button, el, facts, replace } from './el.js';
import { field, select } from './field.js';
import { count, short } from './format.js';
import { ShardStrip, learnHues, shardClass } from './shard_strip.js';
import { state } from './state.js';

const PLAIN_FROM = 256; // from so many on a cell has its number only
const MOST_CELLS = 4096;
const FLASH_MS = 2500;

class ShardMap {
  #shards = [];
  #chosen = 0;

  constructor(onOpen) {
    this.onOpen = onOpen;
    this.node = el('div', { class: 'shard-map', role: 'grid', 'aria-label': 'Shards; arrow keys move, Enter opens' });
    this.node.addEventListener('keydown', (event) => this.#onKey(event));
  }

  update(shards) {
    const before = this.#shards;
    this.#shards = shards.slice(0, MOST_CELLS);
    this.node.classList.toggle('plain', shards.length >= PLAIN_FROM);
    while (this.node.children.length < this.#shards.length) this.node.append(this.#cell(this.node.children.length));
    while (this.node.children.length > this.#shards.length) this.node.lastChild.remove();
    this.#shards.forEach((shard, i) => {
      const was = before[i];
      if (was && JSON.stringify(was) === JSON.stringify(shard)) return;
      this.#draw(this.node.children[i], shard);
      if (was && was.agent !== shard.agent) this.#flash(this.node.children[i]);
    });
  }

  #cell(at) {
    return el('button', {
      type: 'button',
      role: 'gridcell',
      tabindex: at === this.#chosen ? 0 : -1,
      on: {
        click: () => {
          this.#choose(at);
          this.onOpen(this.#shards[at]);
        },
      },
    });
  }

  #draw(cell, shard) {
    cell.className = `shard ${shardClass(shard)}`;
    cell.setAttribute(
      'aria-label',
      `Shard ${shard.shard}, ${shard.agent ? `held by ${shard.agent}` : 'free'}, ${shard.state}, epoch ${shard.epoch}, ${shard.due} due${shard.pinned ? ', pinned' : ''}`,
    );
    replace(
      cell,
      el('span', { class: 'n' }, shard.shard),
      shard.pinned && el('span', { class: 'pin', title: 'pinned' }, 'pin'),
      el('span', { class: 'who' }, shard.agent ?? 'free'),
      el(
        'span',
        { class: 'fine' },
        `e${shard.epoch}`,
        shard.state === 'moving' ? ' moving' : '',
        shard.due > 0 && el('b', {}, ` ${short(shard.due)} due`),
      ),
    );
  }

  #flash(cell) {
    cell.classList.add('moved');
    setTimeout(() => cell.classList.remove('moved'), FLASH_MS);
  }

  #choose(at) {
    this.node.children[this.#chosen]?.setAttribute('tabindex', '-1');
    this.#chosen = at;
    this.node.children[at].setAttribute('tabindex', '0');
    this.node.children[at].focus();
  }

  // How many cells stand side by side just now.
  get #columns() {
    const cells = [...this.node.children];
    const next = cells.findIndex((cell) => cell.offsetTop > cells[0].offsetTop);
    return next < 0 ? cells.length : next;
  }

  #onKey(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.#columns, ArrowUp: -this.#columns };
    const at =
      event.key === 'Home'
        ? 0
        : event.key === 'End'
          ? this.#shards.length - 1
          : this.#chosen + (steps[event.key] ?? NaN);
    if (!(at >= 0 && at < this.#shards.length)) return;
    event.preventDefault();
    this.#choose(at);
  }
}

async function openShard(shard, refresh) {
  const agents = (await get('/v1/agents')).items
    .filter((agent) => agent.state === 'live' && agent.roles.includes('dispatch'))
    .map((agent) => agent.name);
  const to = field(
    'Pin to',
    select(agents, shard.agent ?? agents[0]),
    'It is moved there and stays until it is unpinned, or that agent ends.',
  );
  const path = `/v1/shards/${shard.shard}/agent`;
  const unassign = button(
    shard.pinned ? 'Unpin and let the balancer choose' : 'Take away and let the balancer choose',
    async () => {
      const done = await act(
        unassign,
        async () => {
          await remove(path);
          return true;
        },
        `Shard ${shard.shard} is given away`,
      );
      if (done) leaveDialogOf(unassign);
      refresh();
    },
    { disabled: !shard.agent },
  );
  const drain =
    shard.agent &&
    button(`Drain ${shard.agent}…`, async () => {
      const done = await confirm(
        `Drain ${shard.agent}?`,
        'It hands over all its shards in order and finishes what it runs.',
        'Drain',
        () => post(`/v1/agents/${segment(shard.agent)}/drain`),
      );
      if (done) leaveDialogOf(drain);
      refresh();
    });
  await ask({
    title: `Shard ${shard.shard}`,
    action: 'Pin it there',
    content: [
      facts([
        ['Holder', shard.agent ?? 'none'],
        ['State', state(shard.state)],
        ['Epoch', shard.epoch],
        ['Pinned', shard.pinned ? 'yes' : 'no'],
        ['Due', count(shard.due)],
        ['Scheduled', count(shard.scheduled)],
      ]),
      agents.length > 0 ? to : el('p', {}, 'No agent could hold it just now.'),
      el('div', { class: 'actions start' }, unassign, drain),
    ],
    submit: async () => {
      await put(path, { agent: to.control.value });
      refresh();
      return true;
    },
  });
}

export function openShards(page) {
  let refresh = () => {};
  const map = new ShardMap((shard) => act(null, () => openShard(shard, refresh)));
  const strip = new ShardStrip();
  const head = el('p', { class: 'muted' });
  page.show(
    el('header', { class: 'head' }, el('h1', {}, 'Shards'), head),
    el('section', { class: 'panel' }, strip.names, map.node),
    el(
      'p',
      { class: 'muted note' },
      'A command’s shard is fixed by its key, or by its id. Each shard has one holder at most; its epoch grows with each holding, and what an earlier holder does late is refused.',
    ),
  );
  refresh = page.keep(1000, async (signal) => {
    const shards = (await get('/v1/shards', { signal })).items;
    learnHues(shards);
    strip.update(shards);
    map.update(shards);
    const sum = (test) => shards.filter(test).length;
    const moving = sum((s) => s.state === 'moving');
    const free = sum((s) => s.state === 'free');
    head.textContent = [
      `${sum((s) => s.state === 'held')} of ${shards.length} held`,
      moving && `${moving} moving`,
      free && `${free} free`,
      `${short(shards.reduce((total, s) => total + s.due, 0))} due`,
    ]
      .filter(Boolean)
      .join(' · ');
  });
}
