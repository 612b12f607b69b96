"use strict";

// Forward and backward over a recorded graph, for numbers that somebody moves. No operation is named here: RULES has what
// they compute, printed from the rules by recompute.py. Nothing touches a page, and nothing is changed but what is returned.
//
// A graph is what prepare() makes. `data` is one number per node; a node's id is its place, and parents come before it.
// A folded graph, which prepareFolded() makes, has no rules: foldedAt() reads its numbers from those of the whole one.

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

// The same for a folded graph. Each node gets its `members`, the nodes of the whole graph that it stands for, last one first:
// all from the one whose number it shows down to those that other nodes show.
function prepareFolded(payload, whole) {
  const graph = prepare(payload, []);
  const shown = new Set(graph.nodes.map((node) => node.of));
  for (const node of graph.nodes) {
    const members = new Set([node.of]);
    for (const id of members) { // which grows meanwhile
      for (const parent of whole.nodes[id].parents) if (!shown.has(parent)) members.add(parent);
    }
    node.members = [...members].sort((x, y) => y - x);
  }
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

// Whether a gradient flows along a local derivative: none to what a choice did not choose, whatever comes from upstream. The
// nodes of a folded graph were told.
function carries(node, slope, operand) {
  return node.carries ? node.carries[operand] : slope !== null && !(node.choice && slope === 0);
}

// A folded graph at numbers of the whole one, which forward() has made: as a graph of its own, its `data` and `slopes`.
function foldedAt(graph, whole, wholeData, wholeSlopes = slopesOf(whole, wholeData)) {
  const through = graph.nodes.map((node) => (node.kind === "group" ? throughGroup(graph, node, whole, wholeSlopes) : null));
  const slopes = graph.nodes.map((node, id) => through[id]?.slopes ?? wholeSlopes[node.of]);
  const carried = (node, id) => through[id]?.carries ?? slopes[id].map((slope) => carries(whole.nodes[node.of], slope));
  const nodes = graph.nodes.map((node, id) => ({ ...node, carries: carried(node, id) }));
  return { graph: { ...graph, nodes }, data: graph.nodes.map((node) => wholeData[node.of]), slopes };
}

// The local derivatives of a group: for each parent the sum over all paths in the group, by a sweep from its output.
function throughGroup(graph, group, whole, wholeSlopes) {
  const sums = new Map([[group.of, 1]]); // d output / d node
  const reached = new Set([group.of]); // by a gradient: not by way of what was not chosen
  for (const id of group.members) {
    const node = whole.nodes[id];
    const upstream = sums.get(id) ?? 0;
    node.parents.forEach((parent, operand) => {
      const local = wholeSlopes[id][operand];
      if (!carries(node, local, operand)) return;
      const term = upstream * local;
      sums.set(parent, sums.has(parent) ? sums.get(parent) + term : term);
      if (reached.has(id) || term !== 0) reached.add(parent); // 0 x infinity goes on everywhere
    });
  }
  const parents = group.parents.map((parent) => graph.nodes[parent]);
  return {
    slopes: parents.map(({ kind, of }) => (kind === "constant" ? null : sums.get(of) ?? 0)),
    carries: parents.map(({ of }) => reached.has(of)),
  };
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
      const flows = carries(node, local, operand);
      const contribution = flows ? upstream * local : 0;
      if (flows) grads[parent] = before === null ? contribution : before + contribution;
      const after = grads[parent] ?? 0;
      steps.push({ node: id, operand, parent, upstream, local, contribution, before: before ?? 0, after });
    });
  }
  return { grads: grads.map((grad) => grad ?? 0), slopes, steps };
}

// d root / d leaf by a central difference: how far the root moves when the leaf is moved by h to either side. With it the two
// one-sided differences `left` and `right`, and whether the leaf stands at a `kink`: they differ, and nearer by as much.
function difference(graph, data, leaf, h = 2 ** -17 * Math.max(1, Math.abs(data[leaf]))) {
  const rootAt = (x) => {
    const moved = data.slice();
    moved[leaf] = x;
    return forward(graph, moved)[graph.root];
  };
  const x = data[leaf];
  const at = rootAt(x);
  const around = (step) => {
    const [low, high] = [x - step, x + step];
    const [below, above] = [rootAt(low), rootAt(high)];
    return { low, high, below, above, left: (at - below) / (x - low), right: (above - at) / (high - x) };
  };
  const [far, near] = [around(h), around(h / 512)];
  const gap = Math.abs(far.right - far.left);
  const rounding = (2 ** -50 * 512 * Math.max(Math.abs(far.below), Math.abs(at), Math.abs(far.above))) / h;
  const marked = gap > Math.max(1e-3 * Math.max(Math.abs(far.left), Math.abs(far.right)), 10 * rounding);
  const kink = marked && Math.abs(Math.abs(near.right - near.left) - gap) <= 0.1 * gap;
  return { h, ...far, slope: (far.above - far.below) / (far.high - far.low), kink };
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
      .map((edge) => (carries(node, edge.local, edge.operand) ? edge : { ...edge, local: null }));
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

function agree(x, y) {
  return Object.is(x, y) || x === y || Math.abs(x - y) <= 1e-9 * Math.abs(y) + 1e-300;
}

// What verify() says where two numbers, this browser's and Python's, do not agree.
function said(node, pair) {
  const [here, recorded] = pair.map((x) => figure(x));
  return `The sliders are off: at ${node.name} this browser computes ${here} where Python recorded ${recorded}.`;
}

// Whether the rules give here what Python recorded, at every node from its recorded operands: null, or a message if not.
function verify(graph) {
  const slopes = slopesOf(graph, graph.data);
  for (const [id, node] of graph.nodes.entries()) {
    if (!node.rule) continue;
    const pairs = [[node.rule.forward(...operandsOf(node, graph.data)), node.data], ...slopes[id].map((x, i) => [x, node.slopes[i]])];
    const wrong = pairs.find(([x, y]) => !agree(x, y));
    if (wrong) return said(node, wrong);
  }
  return null;
}

// The same for a folded graph: its numbers as foldedAt() finds them from the whole one's, and which edges carry a gradient.
function verifyFolded(graph, whole) {
  const refusal = verify(whole);
  if (refusal !== null) return refusal;
  const found = foldedAt(graph, whole, whole.data);
  for (const [id, node] of graph.nodes.entries()) {
    const pairs = [[found.data[id], node.data], ...found.slopes[id].map((x, i) => [x, node.slopes[i]])];
    const wrong = pairs.find(([x, y]) => !agree(x, y));
    if (wrong) return said(node, wrong);
    if (found.graph.nodes[id].carries.some((carried, i) => carried !== node.carries[i])) {
      return `The sliders are off: at ${node.name} a gradient flows here where none did in Python, or none where one did.`;
    }
  }
  return null;
}

// The first node of a folded graph whose gradient is finite there and not in the whole one, or the other way; undefined if none
// is. The products through a group may overflow where the same factors in another order do not.
function notTold(graph, grads, wholeGrads) {
  return graph.nodes.find(({ kind, of }, id) => kind !== "constant" && !sameKind(grads[id], wholeGrads[of]));
}

function sameKind(x, y) {
  return Number.isFinite(x) ? Number.isFinite(y) : Object.is(x, y);
}

// A number as figures.py's figure writes it: so many significant digits, a true minus sign but for 0; halfway the even digit.
function figure(x, digits = 4) {
  if (x === null || x === undefined) return "–";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  const sign = x < 0 ? "−" : "";
  const halfway = perhapsHalfway(size, digits);
  if (!halfway && (size >= 1e-4 || size === 0) && size < 10 ** digits) { // most numbers, and ten times as fast
    const written = size.toPrecision(digits);
    if (!written.includes("e")) return sign + written;
  }
  const rounded = (halfway && halfwayDown(size, digits)) || size.toExponential(digits - 1);
  const [mantissa, exponent] = rounded.split("e");
  const plain = exponent >= -4 && exponent < digits;
  const written = plain ? Number(rounded).toFixed(digits - 1 - exponent) : `${mantissa}e${Number(exponent)}`;
  return sign + written.replace("-", "−");
}

// Whether a number has one digit too many, a 5: all that lie halfway do.
function perhapsHalfway(size, digits) {
  const shortest = size.toExponential();
  const end = shortest.indexOf("e");
  return end === digits + 2 && shortest[end - 1] === "5";
}

// The digits of a number that lies halfway and goes down to an even digit, where JavaScript would go up; "" for others.
function halfwayDown(size, digits) {
  const exact = size.toExponential(100);
  const kept = exact.slice(0, digits + 1);
  const down = /^50*e/.test(exact.slice(digits + 1)) && Number(kept.at(-1)) % 2 === 0;
  return down ? kept + exact.slice(exact.indexOf("e")) : "";
}
