"use strict";

// Forward and backward over a recorded graph, for numbers that somebody moves. No operation is named here: RULES has what
// they compute, printed from the rules by recompute.py. Nothing touches a page, and nothing is changed but what is returned.
//
// A graph is what prepare() makes. `data` is one number per node; a node's id is its place, and parents come before it.

const NUMBERS = { inf: Infinity, "-inf": -Infinity, nan: NaN };

// recompute.py's payload with its numbers decoded and its rules in place. A node without a rule keeps what was recorded.
function prepare(payload, rules) {
  const number = (x) => (typeof x === "string" ? NUMBERS[x] : x);
  const nodes = payload.nodes.map((node) => ({
    ...node,
    data: number(node.data),
    slopes: node.slopes.map(number),
    rule: node.rule === null ? null : rules[node.rule],
  }));
  const graph = { ...payload, nodes, data: nodes.map((node) => node.data), children: nodes.map(() => []) };
  nodes.forEach((node, id) => {
    node.parents.forEach((parent, operand) => graph.children[parent].push({ node: id, operand }));
  });
  return graph;
}

function operandsOf(node, data) {
  return node.parents.map((parent) => data[parent]);
}

// Every number, the leaves' as they are in `data`.
function forward(graph, data) {
  const found = data.slice();
  graph.nodes.forEach((node, id) => {
    if (node.rule) found[id] = node.rule.forward(...operandsOf(node, found));
  });
  return found;
}

// The local derivatives, one per parent; null where no gradient flows: to a constant, or where none is known.
function slopesOf(graph, data) {
  return graph.nodes.map((node, id) => {
    if (!node.rule) return node.slopes;
    const slopes = node.rule.slopes(operandsOf(node, data), data[id]);
    return slopes.map((slope, operand) => (graph.nodes[node.parents[operand]].kind === "constant" ? null : +slope));
  });
}

// Whether a gradient flows along a local derivative: none to what a choice did not choose, whatever comes from upstream.
function carries(node, slope) {
  return slope !== null && !(node.choice && slope === 0);
}

// The backward sweep at `data`, which forward() has made: every gradient, and every contribution in the order of the ledger.
function sweep(graph, data, slopes = slopesOf(graph, data)) {
  const grads = new Array(graph.nodes.length).fill(null);
  const steps = [];
  grads[graph.root] = 1;
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id];
    const upstream = grads[id] ?? 0;
    node.parents.forEach((parent, operand) => {
      const local = slopes[id][operand];
      if (local === null) return;
      const before = grads[parent];
      const flows = carries(node, local);
      const contribution = flows ? upstream * local : 0;
      if (flows) grads[parent] = before === null ? contribution : before + contribution;
      const after = grads[parent] ?? 0;
      steps.push({ node: id, operand, parent, upstream, local, contribution, before: before ?? 0, after });
    });
  }
  return { grads: grads.map((grad) => grad ?? 0), slopes, steps };
}

// d root / d leaf by a central difference: how far the root moves when the leaf is moved by h to either side.
function difference(graph, data, leaf, h = 2 ** -17 * Math.max(1, Math.abs(data[leaf]))) {
  const rootAt = (x) => {
    const moved = data.slice();
    moved[leaf] = x;
    return forward(graph, moved)[graph.root];
  };
  const [low, high] = [data[leaf] - h, data[leaf] + h];
  const [below, above] = [rootAt(low), rootAt(high)];
  return { h, low, high, below, above, slope: (above - below) / (high - low) };
}

// d root / d node as a sum over paths, each the product of its local derivatives, as paths.py has it: how many there are, the
// `most` largest with their edges from `from` to the root, and the sum of the rest, null where there is none.
function paths(graph, slopes, from, most) {
  const { tangents, edges } = tangentsOf(graph, slopes, from);
  const count = graph.nodes.map(() => 0n);
  const ways = graph.nodes.map(() => []); // the largest from the root to each node; what leads on begins with one of these
  if (tangents[graph.root] !== null) {
    count[graph.root] = 1n;
    ways[graph.root] = [{ product: 1, node: null, operand: null, place: 0, before: null }].slice(0, most);
  }
  for (let id = graph.root; id >= from; id--) {
    ways[id] = ways[id].sort(largestFirst).slice(0, most);
    for (const { operand, parent, local } of edges[id]) {
      count[parent] += count[id];
      for (const [place, before] of ways[id].entries()) {
        const product = local === null || before.product === null ? null : before.product * local; // null: not chosen
        ways[parent].push({ product, node: id, operand, place, before });
      }
    }
  }
  const listed = ways[from].map((way) => ({ product: way.product, steps: stepsOf(way) })).sort(inOrder);
  return {
    count: count[from],
    total: count[from] ? sweep(graph, null, slopes).grads[from] : 0,
    listed: listed.map(({ product, steps }) => ({ product: product ?? 0, steps })),
    rest: count[from] > listed.length ? restOf(graph, tangents, edges, from, listed) : null,
  };
}

// d node / d `from` of every node that it leads to, null elsewhere, and the edges by which it does.
function tangentsOf(graph, slopes, from) {
  const tangents = graph.nodes.map((_, id) => (id === from ? 1 : null));
  const edges = graph.nodes.map(() => []); // {operand, parent, local}; local is null where a choice carries nothing
  for (let id = from + 1; id <= graph.root; id++) {
    const node = graph.nodes[id];
    edges[id] = node.parents
      .map((parent, operand) => ({ operand, parent, local: slopes[id][operand] }))
      .filter(({ parent, local }) => tangents[parent] !== null && local !== null)
      .map((edge) => (carries(node, edge.local) ? edge : { ...edge, local: null }));
    const terms = edges[id].filter(({ local }) => local !== null).map(({ parent, local }) => local * tangents[parent]);
    if (edges[id].length) tangents[id] = sumOf(terms);
  }
  return { tangents, edges };
}

function sumOf(terms) {
  return terms.length ? terms.reduce((sum, term) => sum + term) : 0;
}

// The sum of all products that are not listed, without subtracting those that are: where no listed path goes on, everything
// below is summed at once.
function restOf(graph, tangents, edges, from, listed) {
  if (from === graph.root) return 1; // the one path, of no edges
  const terms = [];
  const together = [{ id: graph.root, product: 1, ways: listed.map(({ steps }) => [...steps].reverse()), depth: 0 }];
  while (together.length) {
    const { id, product, ways, depth } = together.pop();
    for (const { operand, parent, local } of edges[id]) {
      if (local === null) continue;
      const here = ways.filter((steps) => steps[depth].operand === operand);
      if (here.length) together.push({ id: parent, product: product * local, ways: here, depth: depth + 1 });
      else terms.push(product * local * tangents[parent]);
    }
  }
  return sumOf(terms);
}

// The edges of a path to the root, each as the node that it leads to and the place of its operand there.
function stepsOf(way) {
  const steps = [];
  for (let part = way; part.before; part = part.before) steps.push({ node: part.node, operand: part.operand });
  return steps;
}

// The larger product first, and NaN before all; 0, or NaN, where neither is larger.
function bySize(a, b) {
  return Number.isNaN(b.product) - Number.isNaN(a.product) || Math.abs(b.product) - Math.abs(a.product);
}

function largestFirst(a, b) {
  return bySize(a, b) || a.node - b.node || a.place - b.place || a.operand - b.operand;
}

// Of equal products that with the smaller ids, from its start on; then that with the smaller operands, from the root on.
function inOrder(a, b) {
  if (bySize(a, b)) return bySize(a, b);
  const i = a.steps.findIndex(({ node }, i) => node !== b.steps[i].node);
  if (i >= 0) return a.steps[i].node - b.steps[i].node;
  const j = a.steps.findLastIndex(({ operand }, j) => operand !== b.steps[j].operand);
  return j >= 0 ? a.steps[j].operand - b.steps[j].operand : 0;
}

// Whether the rules give here what Python recorded, at every node from its recorded operands: null, or a message if not.
function verify(graph) {
  const agree = (x, y) => Object.is(x, y) || x === y || Math.abs(x - y) <= 1e-9 * Math.abs(y) + 1e-300;
  const slopes = slopesOf(graph, graph.data);
  for (const [id, node] of graph.nodes.entries()) {
    if (!node.rule) continue;
    const pairs = [[node.rule.forward(...operandsOf(node, graph.data)), node.data], ...slopes[id].map((x, i) => [x, node.slopes[i]])];
    const wrong = pairs.find(([x, y]) => !agree(x, y));
    if (wrong) {
      const [here, recorded] = wrong.map((x) => figure(x));
      return `The sliders are off: at ${node.name} this browser computes ${here} where Python recorded ${recorded}.`;
    }
  }
  return null;
}

// A number as figures.py's figure writes it: so many significant digits, a true minus sign; halfway the even digit.
function figure(x, digits = 4) {
  if (x === null || x === undefined) return "–";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  const exact = size.toExponential(100);
  const kept = exact.slice(0, digits + 1);
  const down = /^50*e/.test(exact.slice(digits + 1)) && Number(kept.at(-1)) % 2 === 0; // toExponential would go up
  const rounded = down ? kept + exact.slice(exact.indexOf("e")) : size.toExponential(digits - 1);
  const [mantissa, exponent] = rounded.split("e");
  const plain = exponent >= -4 && exponent < digits;
  const written = plain ? Number(rounded).toFixed(digits - 1 - exponent) : `${mantissa}e${Number(exponent)}`;
  return (x < 0 || Object.is(x, -0) ? "−" : "") + written.replace("-", "−");
}
