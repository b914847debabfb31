// Where the nodes of a workflow stand: layers from left to right, each node behind all it depends on, ordered so that
// few lines cross.  Pure: names in, places out.

const SWEEPS = 6;
// A line over several layers gets a place in each, so that it runs between the nodes rather than behind them; not when
// there are too many such lines to be told apart anyway.
const MOST_WAYPOINTS = 1500;

// nodes: [{name, depends_on}], each after all it depends on, as the API gives them.
// Answers {layers: [[name or waypoint, …], …], routes: [[from, waypoints…, to], …]}; a waypoint is a number.
export function layersOf(nodes) {
  const depth = new Map();
  for (const node of nodes)
    depth.set(node.name, Math.max(-1, ...node.depends_on.map((name) => depth.get(name) ?? -1)) + 1);
  const layers = [];
  for (const node of nodes) (layers[depth.get(node.name)] ??= []).push(node.name);
  const edges = nodes.flatMap((node) =>
    node.depends_on.filter((name) => depth.has(name)).map((from) => [from, node.name]),
  );
  const needed = edges.reduce((sum, [from, to]) => sum + depth.get(to) - depth.get(from) - 1, 0);
  const routes = needed > MOST_WAYPOINTS ? edges : edges.map(([from, to]) => route(from, to, depth, layers));
  return { layers: untangle(layers, routes), routes };
}

let waypoints = 0;

function route(from, to, depth, layers) {
  const between = [];
  for (let layer = depth.get(from) + 1; layer < depth.get(to); layer += 1) {
    waypoints += 1;
    layers[layer].push(waypoints);
    between.push(waypoints);
  }
  return [from, ...between, to];
}

function neighbours(routes) {
  const before = new Map();
  const after = new Map();
  const note = (map, key, other) => (map.get(key) ?? map.set(key, []).get(key)).push(other);
  for (const stops of routes) {
    for (let i = 1; i < stops.length; i += 1) {
      note(before, stops[i], stops[i - 1]);
      note(after, stops[i - 1], stops[i]);
    }
  }
  return [before, after];
}

// Each goes to the middle of its neighbours, forwards and back, a few times.
function untangle(layers, routes) {
  const [before, after] = neighbours(routes);
  const place = new Map();
  const note = (layer) => layer.forEach((one, i) => place.set(one, (i + 0.5) / layer.length));
  layers.forEach(note);
  const sort = (layer, beside) => {
    const wish = new Map(
      layer.map((one) => {
        const others = beside.get(one) ?? [];
        return [
          one,
          others.length > 0 ? others.reduce((sum, other) => sum + place.get(other), 0) / others.length : place.get(one),
        ];
      }),
    );
    layer.sort((a, b) => wish.get(a) - wish.get(b));
    note(layer);
  };
  for (let i = 0; i < SWEEPS; i += 1) {
    for (const layer of layers) sort(layer, before);
    for (const layer of [...layers].reverse()) sort(layer, after);
  }
  return layers;
}

// name or waypoint → {x, y, width, height}, and the size of the whole.
export function placeNodes(layers, { width, height, across, down, way }) {
  const tall = (one) => (typeof one === 'number' ? way : height);
  const heights = layers.map((layer) => layer.reduce((sum, one) => sum + tall(one) + down, -down));
  const whole = { width: layers.length * (width + across) - across, height: Math.max(...heights) };
  const places = new Map();
  layers.forEach((layer, column) => {
    let y = (whole.height - heights[column]) / 2;
    for (const one of layer) {
      places.set(one, { x: column * (width + across), y, width, height: tall(one) });
      y += tall(one) + down;
    }
  });
  return { places, whole };
}
