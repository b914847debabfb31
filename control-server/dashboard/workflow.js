// One workflow as a graph: each command a box in the colour and with the shape of its state, live.
import { get, post, segment } from './api.js';
import { commandLink } from './command_columns.js';
import { layersOf, placeNodes } from './dag.js';
import { act, confirm } from './dialog.js';
import { button, el, facts, link, replace, svg } from './el.js';
import { exact, when } from './format.js';
import { href } from './route.js';
import { hasEnded, looksLike, state, stateShape } from './state.js';
import { Table } from './table.js';
import { countsBar } from './workflows.js';

const BOX = { width: 176, height: 44, across: 64, down: 16, way: 4 };
const MARGIN = 8;
const NAME = 20; // characters that fit
const DRAWN = 300; // more nodes than this are listed, not drawn
const LISTED = 100;
const SLOW_FROM = 500;

const clip = (name) => (name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name);

class Graph {
  #boxes = new Map();
  #zoom = 1;

  constructor(nodes) {
    const { layers, routes } = layersOf(nodes);
    const { places, whole } = placeNodes(layers, BOX);
    this.size = { width: whole.width + 2 * MARGIN, height: whole.height + 2 * MARGIN };
    this.picture = svg(
      'svg',
      {
        class: 'graph',
        viewBox: `${-MARGIN} ${-MARGIN} ${this.size.width} ${this.size.height}`,
        role: 'group',
        'aria-label': 'Graph of the workflow',
      },
      routes.map((stops) => this.#edge(stops.map((stop) => places.get(stop)))),
      nodes.map((node) => this.#node(node, places.get(node.name))),
    );
    this.box = el('div', { class: 'graph-box', tabindex: 0, 'aria-label': 'Graph; scrolls' }, this.picture);
    const zooms = [
      ['−', 'Smaller', 0.8],
      ['+', 'Larger', 1.25],
    ].map(([text, name, by]) =>
      button(text, () => this.#setZoom(this.#zoom * by), { class: 'small', 'aria-label': name }),
    );
    this.node = el(
      'div',
      {},
      el(
        'div',
        { class: 'actions start' },
        zooms,
        button('Fit', () => this.#fit(), { class: 'small' }),
      ),
      this.box,
    );
    this.#setZoom(1);
    requestAnimationFrame(() => this.#fit());
  }

  #setZoom(zoom) {
    this.#zoom = Math.min(2, Math.max(0.2, zoom));
    this.picture.setAttribute('width', Math.round(this.size.width * this.#zoom));
    this.picture.setAttribute('height', Math.round(this.size.height * this.#zoom));
  }

  // Never larger than life; on a narrow screen it scrolls rather than becomes illegible.
  #fit() {
    this.#setZoom(Math.max(0.6, Math.min(1, (this.box.clientWidth - 4) / this.size.width)));
  }

  // Through each of its places, level where it passes between nodes.
  #edge(stops) {
    const middle = (place) => place.y + place.height / 2;
    let path = `M${stops[0].x + BOX.width} ${middle(stops[0])}`;
    for (let i = 1; i < stops.length; i += 1) {
      const from = stops[i - 1].x + BOX.width;
      const bend = (stops[i].x - from) / 2;
      path += `C${from + bend} ${middle(stops[i - 1])} ${stops[i].x - bend} ${middle(stops[i])} ${stops[i].x} ${middle(stops[i])}`;
      if (i < stops.length - 1) path += `H${stops[i].x + BOX.width}`;
    }
    return svg('path', { class: 'edge', d: path });
  }

  #node(node, { x, y }) {
    const box = svg('a', { href: href(['commands', node.id]), transform: `translate(${x} ${y})` });
    this.#boxes.set(node.name, { box, mark: '' });
    this.#draw(node);
    return box;
  }

  #draw(node) {
    const known = this.#boxes.get(node.name);
    const mark = `${node.state} ${node.attempt}`;
    if (!known || known.mark === mark) return;
    known.mark = mark;
    known.box.setAttribute('class', `node is-${looksLike(node.state)}`);
    known.box.setAttribute('aria-label', `${node.name}: ${node.state}`);
    replace(
      known.box,
      svg('title', {}, `${node.name}: ${node.state}, attempt ${node.attempt}`),
      svg('rect', { width: BOX.width, height: BOX.height, rx: 6 }),
      stateShape(node.state, { x: 10, y: 15 }),
      svg('text', { x: 32, y: 19, class: 'name' }, clip(node.name)),
      svg('text', { x: 32, y: 34, class: 'fine' }, node.state, node.attempt > 1 ? ` · attempt ${node.attempt}` : ''),
    );
  }

  update(nodes) {
    for (const node of nodes) this.#draw(node);
  }
}

function actions(workflow, refresh) {
  const path = `/v1/workflows/${workflow.id}`;
  const after = (work) => async () => {
    await work();
    refresh();
  };
  return [
    workflow.counts.failed > 0 &&
      button(
        'Retry what failed',
        (event) =>
          act(
            event.currentTarget,
            after(() => post(`${path}/retry`)),
            'What failed runs again',
          ),
        { class: 'primary' },
      ),
    !hasEnded(workflow.state) &&
      workflow.state !== 'failed' &&
      button(
        'Cancel…',
        () =>
          confirm(
            'Cancel this workflow?',
            'Every command of it that has not ended is cancelled; executors of running ones are told.',
            'Cancel it',
            after(() => post(`${path}/cancel`)),
          ),
        { class: 'danger-quiet' },
      ),
  ];
}

const ORDER = ['dead', 'expired', 'cancelled', 'running', 'queued', 'scheduled', 'waiting'];

// What went wrong and what moves comes first.
function listed(nodes) {
  const rank = (node) => (ORDER.includes(node.state) ? ORDER.indexOf(node.state) : ORDER.length);
  return [...nodes].sort((a, b) => rank(a) - rank(b)).slice(0, LISTED);
}

const columns = [
  { title: 'State', class: 'narrow-cell', cell: (n) => state(n.state) },
  { title: 'Command', cell: (n) => n.name },
  { title: 'Id', class: 'narrow-cell', cell: (n) => commandLink(n.id) },
  { title: 'Attempt', class: 'number', cell: (n) => n.attempt },
  {
    title: 'Depends on',
    class: 'grow',
    cell: (n) =>
      el(
        'span',
        { class: 'clip wide-clip' },
        n.depends_on.slice(0, 8).join(', '),
        n.depends_on.length > 8 && ` and ${n.depends_on.length - 8} more`,
      ),
  },
  { title: 'Ended', class: 'narrow-cell', cell: (n) => when(n.finished_at) },
];

export function openWorkflow(page, id) {
  page.title(id);
  const head = el('header', { class: 'head' });
  const graphBox = el('section', { class: 'panel' });
  const table = new Table(columns, { label: 'Commands of the workflow', key: (node) => node.name });
  const note = el('p', { class: 'muted note' });
  page.show(head, graphBox, el('section', { class: 'panel flush' }, table.node), note);
  let graph = null;
  let ids = new Set();
  let refresh = () => {};
  let slow = false;
  let last = 0;
  let seen = '';
  refresh = page.keep(
    2000,
    async (signal) => {
      // Ten thousand nodes are two megabytes: not every two seconds.
      if (slow && Date.now() - last < 10000) return;
      const workflow = await get(`/v1/workflows/${segment(id)}`, { signal });
      last = Date.now();
      slow = workflow.commands.length > SLOW_FROM;
      ids = new Set(workflow.commands.map((node) => node.id));
      const { commands, ...rest } = workflow;
      if (JSON.stringify(rest) !== seen) {
        seen = JSON.stringify(rest);
        replace(
          head,
          el('p', { class: 'crumbs' }, link('#/workflows', 'Workflows'), ' / ', el('span', { class: 'mono' }, id)),
          el('h1', {}, el('span', { class: 'clip' }, workflow.name), ' ', state(workflow.state)),
          countsBar(workflow.counts),
          el(
            'div',
            { class: 'actions start' },
            actions(workflow, () => {
              last = 0;
              refresh();
            }),
          ),
          facts([
            ['Accepted', exact(workflow.created_at)],
            ['Ended', workflow.finished_at && exact(workflow.finished_at)],
            [
              'If one fails',
              workflow.on_failure === 'continue' ? 'only what depends on it is cancelled' : 'the rest is cancelled',
            ],
          ]),
        );
      }
      if (commands.length <= DRAWN && !graph) {
        graph = new Graph(commands);
        replace(graphBox, graph.node);
      }
      graph?.update(commands);
      graphBox.hidden = !graph;
      table.render(listed(commands));
      note.textContent =
        commands.length > LISTED
          ? `${LISTED} of ${commands.length} are listed: what failed, then what moves.${graph ? '' : ` More than ${DRAWN} are not drawn.`}`
          : '';
    },
    (command) => ids.has(command.id),
  );
}
