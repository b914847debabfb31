// Where the nodes of a workflow stand: layers from left to right, each node behind all it depends on, ordered so that
// few lines cross.  Pure: names in, places out.

const SWEEPS = 6;

// nodes: [{name, depends_on}], each after all it depends on, as the API gives them.
// Answers {layers: [[name, …], …], edges: [[from, to], …]}.
export function layersOf(nodes) {
  const depth = new Map();
  for (const node of nodes) depth.set(node.name, Math.max(-1, ...node.depends_on.map((name) => depth.get(name) ?? -1)) + 1);
  const layers = [];
  for (const node of nodes) (layers[depth.get(node.name)] ??= []).push(node.name);
  const edges = nodes.flatMap((node) => node.depends_on.map((from) => [from, node.name]));
  return { layers: untangle(layers, edges), edges };
}

function neighbours(edges) {
  const before = new Map();
  const after = new Map();
  for (const [from, to] of edges) {
    if (!before.has(to)) before.set(to, []);
    if (!after.has(from)) after.set(from, []);
    before.get(to).push(from);
    after.get(from).push(to);
  }
  return [before, after];
}

// Each node goes to the middle of its neighbours, forwards and back, a few times.
function untangle(layers, edges) {
  const [before, after] = neighbours(edges);
  const place = new Map();
  const note = (layer) => layer.forEach((name, i) => place.set(name, (i + 0.5) / layer.length));
  layers.forEach(note);
  const sort = (layer, beside) => {
    const wish = new Map(layer.map((name) => {
      const others = beside.get(name) ?? [];
      return [name, others.length > 0 ? others.reduce((sum, other) => sum + place.get(other), 0) / others.length : place.get(name)];
    }));
    layer.sort((a, b) => wish.get(a) - wish.get(b));
    note(layer);
  };
  for (let i = 0; i < SWEEPS; i += 1) {
    for (const layer of layers) sort(layer, before);
    for (const layer of [...layers].reverse()) sort(layer, after);
  }
  return layers;
}

// name → {x, y} of the node's top left corner, and the size of the whole.
export function placeNodes(layers, { width, height, across, down }) {
  const tallest = Math.max(...layers.map((layer) => layer.length));
  const whole = { width: layers.length * (width + across) - across, height: tallest * (height + down) - down };
  const places = new Map();
  layers.forEach((layer, column) => {
    const used = layer.length * (height + down) - down;
    layer.forEach((name, row) => places.set(name, { x: column * (width + across), y: (whole.height - used) / 2 + row * (height + down) }));
  });
  return { places, whole };
}
