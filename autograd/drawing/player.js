// The player: the backward sweep of one graph, played step by step on its drawing, its numbers moved by sliders.
//
// player.py puts this file behind recompute.js (the graph's numbers, as pure functions) into one function of the page, so that
// nothing is global. All that is shown follows from two things: `step`, and the numbers in `now`. Step -1 is before the
// sweep, step 0 gives the root its gradient of 1, and step k is the k-th contribution of the ledger. A step touches one node and two edges.
//
// What is drawn is `graph`; what is computed, `whole`. They differ where parts are folded, and a drawn node then says by `of`
// whose number it shows. Leaves, and with them sliders, are those of the whole graph.

const player = document.currentScript.closest(".autograd-player");
const told = JSON.parse(player.querySelector("script[type='application/json']").textContent);
const find = (selector) => player.querySelector(selector);
const drawing = find(".stage svg");
const { nodes, exact } = told; // exact: figures as Python wrote them, where the numbers are not floats
const MINUS = "\u2212";
const DASH = "\u2013";
const MOST_PATHS = 8;
const MOST_SLIDERS = 12;
const MOST_IN_PART = 24;
const LONG_PATH = 9;
const LONG_NAME = 19; // of a slider
const FEW = 60; // lines that can be bold at once
const MARGIN = 32; // pixels around what is kept in view, which do not fade
const READABLE = 0.8; // of the drawing's own size

// ---- the numbers of now, and the sweep over them ----------------------------------------------------------------------

const isFolded = Boolean(told.graph.whole);
const whole = prepare(told.graph.whole ?? told.graph, RULES);
const graph = isFolded ? prepareFolded(told.graph, whole) : whole;
const root = graph.root;
const mismatch = told.graph.refusal ? null : isFolded ? verifyFolded(graph, whole) : verify(graph);
const refusal = told.graph.refusal ? `No sliders here: ${told.graph.refusal}.` : mismatch;
const recomputes = refusal === null;
const reason = recomputes ? "" : refusal.slice(refusal.indexOf(": ") + 2);
const leafOf = (id) => (isFolded ? graph.nodes[id].of : id); // in the whole graph
let now = recorded();

function recorded() { // Python's own numbers
  const swept = sweep(graph, graph.data, graph.nodes.map((node) => node.slopes));
  const found = { graph, data: graph.data, leaves: whole.data, leafGrads: isFolded ? sweep(whole, whole.data).grads : swept.grads, ...swept };
  if (!exact) return found;
  const grads = nodes.map(() => exact.zero);
  grads[root] = exact.seed;
  const steps = found.steps.map((step, k) => ({ ...step, ...exact.steps[k] }));
  for (const { parent, after } of steps) grads[parent] = after;
  return { ...found, data: exact.data, slopes: exact.slopes, grads, steps };
}

function recompute(leaves) { // the same for leaves that were moved: `leaves` and `leafGrads` are of all nodes of the whole graph
  const found = forward(whole, leaves);
  const slopes = slopesOf(whole, found);
  const swept = sweep(whole, found, slopes);
  if (!isFolded) {
    now = { graph, data: found, leaves: found, leafGrads: swept.grads, ...swept };
    return;
  }
  const at = foldedAt(graph, whole, found, slopes);
  now = { graph: at.graph, data: at.data, leaves: found, leafGrads: swept.grads, ...sweep(at.graph, at.data, at.slopes) };
}

const last = now.steps.length;
const stepAt = (k) => now.steps[k - 1]; // the k-th contribution
const taken = nodes.map(() => 0); // how many contributions a node takes in all
const completeAt = nodes.map(() => Infinity); // the step of the last of them
const nth = [0]; // the how manieth of its parent's contributions the k-th one is
completeAt[root] = 0;
now.steps.forEach(({ parent }, i) => {
  nth.push(++taken[parent]);
  completeAt[parent] = i + 1;
});

function carriesNothing(id, operand) { // to a constant, or to what a choice did not choose
  return exact ? !exact.carries[id][operand] : !carries(now.graph.nodes[id], now.slopes[id][operand], operand);
}

const didNotChoose = (id) => (nodes[id].kind === "group" ? "has chosen no way to" : "did not choose");

// ---- words ------------------------------------------------------------------------------------------------------------

const wrong = (x) => typeof x === "number" && !Number.isFinite(x);
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${Number(n) === 1 ? "" : "s"}`;
const bare = /^[^\s+\-\u2212/*]+$|^\d[\d.]*e[+\-\u2212]\d+$|^\w+\([^()]*\)$/; // what needs no brackets as a factor
const factor = (text) => (bare.test(text) || text === "local derivative" ? text : `(${text})`);

const inFraction = (name) => (/^[^\p{L}\p{N}_]/u.test(name) ? `(${name})` : name); // a name such as "/"

function shown(x) {
  return x === null || x === undefined ? DASH : typeof x === "string" ? x : figure(x);
}

function localName({ node, operand, parent }) {
  const [out, x] = [nodes[node].name, nodes[parent].name];
  return nodes[node].formulas[operand] ?? (out.length + x.length > 16 ? "local derivative" : `\u2202${inFraction(out)}/\u2202${inFraction(x)}`);
}

function progress(k) {
  const { parent } = stepAt(k);
  return nth[k] === taken[parent] ? "complete" : `${nth[k]} of ${taken[parent]} contributions`;
}

function sentence(k) {
  if (k < 0) return "Before the sweep: every number is computed, no gradient yet.";
  if (k === 0) return `Step 0 of ${last}: the gradient of ${nodes[root].name} with respect to itself is ${shown(now.grads[root])}.`;
  const { node, operand, parent, upstream, local, contribution, after } = stepAt(k);
  const [from, to] = [nodes[node].name, nodes[parent].name];
  const outcome = `the gradient of ${to} is now ${shown(after)}, ${progress(k)}.`;
  if (carriesNothing(node, operand)) return `Step ${k} of ${last}: ${from} ${didNotChoose(node)} ${to}, nothing flows; ${outcome}`;
  return `Step ${k} of ${last}: ${from} hands to ${to} its gradient ${shown(upstream)} times the local derivative ${shown(local)}, which is ${shown(contribution)}; ${outcome}`;
}

function status(k) {
  if (k < 0) return last ? `${plural(last, "contribution")} to come.` : "Nothing flows: a leaf has no parents.";
  if (k === 0) return `\u25cf ${nodes[root].name}.grad is complete.`;
  const { parent } = stepAt(k);
  const [grad, count] = [`${nodes[parent].name}.grad`, `${nth[k]} of ${plural(taken[parent], "contribution")}`];
  const state = nth[k] === taken[parent] ? `\u25cf ${grad} is complete: ${count}.` : `\u25d0 ${grad} is not complete: ${count}.`;
  return k === last ? `${state} The sweep is done.` : state;
}

// ---- pieces of a page: text only, never markup -------------------------------------------------------------------------

function element(tag, className = "", ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

function number(x, className = "", text = shown(x)) {
  return element("span", wrong(x) ? `${className} wrong` : className, text);
}

function term(x, className = "") { // behind another sign a negative number stands in brackets
  const text = shown(x);
  return number(x, className, text.startsWith(MINUS) ? `(${text})` : text);
}

function gradOf(id) {
  return element("span", "coming", element("bdi", "", nodes[id].name), ".grad");
}

function line(what, sign, ...terms) { // one line of the arithmetic
  return [element("span", "", what), element("span", "", sign), element("span", "", ...spaced(terms))];
}

function spaced(items, between = " ") {
  return items.flatMap((item, i) => (i ? [between, item] : [item]));
}

function arithmetic(k) {
  if (k < 0) return [element("span", "soft", "Every number is computed, from the leaves to the result. No gradient is known yet: play, or take a step.")];
  if (k === 0) {
    const one = element("strong", "", number(now.grads[root], "coming"));
    return [element("span", "soft", "The sweep begins at the result, whose derivative by itself is 1."), ...line(gradOf(root), "=", one)];
  }
  const step = stepAt(k);
  const { node, operand, parent, upstream, local, contribution, before, after } = step;
  const outcome = element("strong", "", number(after, "coming"));
  const sum = line(gradOf(parent), "=", number(before, "coming"), "+", term(contribution, "coming"), "=", outcome);
  if (carriesNothing(node, operand)) {
    const names = [element("bdi", "", nodes[node].name), ` ${didNotChoose(node)} `, element("bdi", "", nodes[parent].name)];
    return [element("span", "soft", ...names, ": this edge carries nothing."), ...line(gradOf(parent), "+=", number(contribution, "coming")), ...sum];
  }
  return [
    element("span", "soft", "gradient += upstream gradient \u00d7 local derivative"),
    ...line(gradOf(parent), "+=", gradOf(node), "\u00d7", factor(localName(step))),
    ...line("", "+=", number(upstream, "coming"), "\u00d7", term(local)),
    ...line("", "+=", number(contribution, "coming")),
    ...sum,
  ];
}

// ---- the drawing --------------------------------------------------------------------------------------------------------

const boxes = nodes.map(() => null); // where a node's figures stand; null for one that is not drawn
const edges = nodes.map(() => []);
drawing.querySelectorAll("title").forEach((title) => title.remove()); // their numbers would not follow
drawing.setAttribute("role", "group");
drawing.setAttribute("aria-label", `The graph of ${nodes[root].name}: ${plural(nodes.length, "node")}`);
for (const g of drawing.querySelectorAll("[data-node]")) {
  boxes[g.dataset.node] = { g, data: g.querySelector(".data.value"), grad: g.querySelector(".grad.value") };
  g.setAttribute("tabindex", "0");
  g.setAttribute("role", "link");
}
for (const g of drawing.querySelectorAll("[data-edge]")) {
  const [node, operand] = g.dataset.edge.split(".");
  edges[node][operand] = { g, number: g.querySelector(".number") };
}

const firstWrong = drawing.querySelector(".node .wrong:not(.value)"); // the drawing's mark on the first infinity or NaN

let step = -1;
const gradNow = nodes.map(() => null); // every gradient at this step; null before its first contribution
const unpainted = new Set(); // the nodes whose gradient has changed
const painted = { step: -1, swept: 0 };

function walk(target) { // one contribution after another, so that a step is the same from either side
  while (step < target) {
    step += 1;
    const id = step ? stepAt(step).parent : root;
    gradNow[id] = step ? stepAt(step).after : now.grads[root];
    unpainted.add(id);
  }
  while (step > target) {
    const id = step ? stepAt(step).parent : root;
    gradNow[id] = step && nth[step] > 1 ? stepAt(step).before : null;
    unpainted.add(id);
    step -= 1;
  }
}

function write(text, x) { // touches the page only where something changes
  if (!text || (text.written && Object.is(text.written.number, x))) return;
  text.written = { number: x };
  const written = shown(x);
  if (text.textContent !== written) text.textContent = written;
  text.classList.toggle("wrong", wrong(x));
}

function toggle(id, name, on) {
  boxes[id]?.g.classList.toggle(name, on);
}

function drawnEdge(k) {
  return k > 0 ? edges[stepAt(k).node][stepAt(k).operand] : undefined;
}

function describe(id) {
  const { name, kind, operation } = nodes[id];
  const state = step < completeAt[id] ? ", not complete" : "";
  const grad = kind === "constant" ? "takes no gradient" : gradNow[id] === null ? "gradient not computed yet" : `gradient ${shown(gradNow[id])}${state}`;
  return `${name}, ${operation ? `operation ${operation}` : kind}, data ${shown(now.data[id])}, ${grad}`;
}

function paint() {
  for (const id of unpainted) {
    if (!boxes[id]) continue;
    write(boxes[id].grad, gradNow[id]);
    toggle(id, "waiting", gradNow[id] !== null && step < completeAt[id]);
    boxes[id].g.setAttribute("aria-label", describe(id));
  }
  unpainted.clear();
  for (let k = painted.swept + 1; k <= step; k++) drawnEdge(k)?.g.classList.add("swept");
  for (let k = painted.swept; k > step && k > 0; k--) drawnEdge(k)?.g.classList.remove("swept");
  if (firstWrong) markFirstWrong();
  light(painted.step, false);
  light(step, true);
  Object.assign(painted, { step, swept: Math.max(step, 0) });
  find(".sum").replaceChildren(...arithmetic(step));
  find(".told").textContent = status(step);
  const place = step < 0 ? "before the sweep" : `step ${step} of ${last}`;
  find(".count").textContent = place;
  scrub.value = step;
  scrub.setAttribute("aria-valuetext", place);
  say();
  if (!playing || speed() <= 4) follow();
}

function markFirstWrong() { // only while it is true: at Python's numbers, and on a gradient once that is there
  const id = firstWrong.closest("[data-node]").dataset.node;
  const there = wrong(now.data[id]) || gradNow[id] !== null;
  firstWrong.style.display = there && whole.data.every((x, i) => Object.is(x, now.leaves[i])) ? "" : "none";
}

function light(k, on) { // what the k-th step is about
  toggle(root, "takes", on && k === 0);
  if (k <= 0) return;
  const { node, operand, parent } = stepAt(k);
  toggle(node, "gives", on);
  toggle(parent, "takes", on);
  const { classList } = drawnEdge(k)?.g ?? {};
  classList?.toggle("active", on);
  classList?.toggle("idle", on && carriesNothing(node, operand));
}

function paintNumbers() { // when they have changed everywhere
  nodes.forEach((node, id) => {
    write(boxes[id]?.data, now.data[id]);
    edges[id].forEach((edge, operand) => {
      if (now.slopes[id][operand] === null) return;
      write(edge.number, now.slopes[id][operand]);
      edge.g.classList.toggle("still", carriesNothing(id, operand));
    });
    unpainted.add(id);
  });
}

let sayAgain = 0;
let quietUntil = 0;
function say() { // for screen readers: every step's sentence, but while playing one in four seconds
  clearTimeout(sayAgain);
  const wait = playing ? quietUntil - performance.now() : 0;
  sayAgain = setTimeout(() => {
    find(".live").textContent = sentence(step);
    quietUntil = performance.now() + 4000;
  }, Math.max(0, wait));
}

// ---- keeping in view what is active, within the drawing's own scroller -------------------------------------------------

const stage = find(".stage");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const view = { left: 0, top: 0, width: 0, height: 0, scale: 1 }; // of the stage on the drawing: asking the page each time is slow
let frames = null; // where every node stands, in the drawing's own units: measured once

function measure() {
  const { x, y } = drawing.getBoundingClientRect();
  return boxes.map((box) => {
    const { left, right, top, bottom } = box?.g.getBoundingClientRect() ?? {};
    return { left: (left - x) / view.scale, right: (right - x) / view.scale, top: (top - y) / view.scale, bottom: (bottom - y) / view.scale };
  });
}

function follow(jumping = calm.matches || playing) {
  const { width, height } = drawing.viewBox.baseVal;
  const ids = (step > 0 ? [stepAt(step).node, stepAt(step).parent] : [root]).filter((id) => boxes[id]); // it begins at the root
  if (!ids.length || (width * view.scale <= view.width && height * view.scale <= view.height)) return;
  frames ??= measure();
  const spots = ids.map((id) => frames[id]);
  const place = (low, high, at, room) => {
    const from = Math.min(...spots.map((spot) => spot[low])) * view.scale - MARGIN;
    const to = Math.max(...spots.map((spot) => spot[high])) * view.scale + MARGIN;
    const middle = step <= 0 || to - from > room; // of the root, and where there is no room for both of the one that takes
    if (middle) return ((spots.at(-1)[low] + spots.at(-1)[high]) * view.scale - room) / 2;
    return from < at ? from : to > at + room ? to - room : at;
  };
  const left = place("left", "right", view.left, view.width);
  const top = place("top", "bottom", view.top, view.height);
  if (left === view.left && top === view.top) return;
  const far = Math.abs(left - view.left) > view.width || Math.abs(top - view.top) > view.height;
  stage.scrollTo({ left, top, behavior: jumping || far ? "auto" : "smooth" });
}

function fade() { // the sides at which the picture goes on
  const { width, height } = drawing.viewBox.baseVal;
  const hidden = {
    left: view.left,
    right: width * view.scale - view.left - view.width,
    top: view.top,
    bottom: height * view.scale - view.top - view.height,
  };
  for (const [side, pixels] of Object.entries(hidden)) stage.parentElement.classList.toggle(`more-${side}`, pixels > 8);
}

function resize() { // as wide as the page if it can then be read, else in its own scroller; or all of it at once
  const { width } = drawing.viewBox.baseVal;
  const share = Math.min(1, (stage.clientWidth - 2) / width);
  view.scale = wholeButton.getAttribute("aria-pressed") === "true" || share >= READABLE ? share : 1;
  Object.assign(drawing.style, { minWidth: "0", width: `${width * view.scale}px` });
  wholeButton.hidden = share >= READABLE;
  [view.width, view.height] = [stage.clientWidth, stage.clientHeight];
  const bars = { right: stage.offsetWidth - view.width - 2, bottom: stage.offsetHeight - view.height - 2 }; // which do not fade
  for (const [side, pixels] of Object.entries(bars)) stage.parentElement.style.setProperty(`--bar-${side}`, `${pixels}px`);
  follow(true);
  fade();
}

stage.addEventListener("scroll", () => {
  [view.left, view.top] = [stage.scrollLeft, stage.scrollTop];
  fade();
});
const wholeButton = find(".whole");
wholeButton.addEventListener("click", () => {
  wholeButton.setAttribute("aria-pressed", wholeButton.getAttribute("aria-pressed") !== "true");
  resize();
});
new ResizeObserver(resize).observe(stage);

// ---- playing ------------------------------------------------------------------------------------------------------------

const scrub = find(".scrub");
const buttons = Object.fromEntries([...player.querySelectorAll("[data-do]")].map((button) => [button.dataset.do, button]));
const speed = () => Number(find(".speed").value);
let playing = false;
let then = 0;
let owed = 0; // steps that time has brought, and that are not taken yet

function go(target) {
  walk(Math.max(-1, Math.min(last, target)));
  paint();
}

function play(on) {
  if (on === playing) return;
  if (on && step === last) go(-1);
  playing = on;
  player.classList.toggle("playing", on);
  player.classList.toggle("fast", on && speed() > 4);
  buttons.play.setAttribute("aria-label", on ? "Pause" : "Play");
  if (on) {
    [then, owed] = [performance.now(), 1]; // the first step at once
    requestAnimationFrame(frame);
  } else {
    say();
    follow();
  }
}

function frame(time) {
  if (!playing) return;
  owed += (Math.min(250, Math.max(0, time - then)) / 1000) * speed(); // a page that was hidden does not catch up
  then = time;
  const due = Math.floor(owed);
  owed -= due;
  if (due) go(step + due);
  if (step === last) play(false);
  else requestAnimationFrame(frame);
}

const moves = { start: () => -1, back: () => step - 1, next: () => step + 1, end: () => last };
const keys = { ArrowRight: "next", ArrowLeft: "back", Home: "start", End: "end" };

function move(name) {
  play(false);
  go(moves[name]());
}

function jump(id) { // to the step at which its gradient is complete
  play(false);
  choose(id, true);
  pick(id);
  if (completeAt[id] <= last) go(completeAt[id]);
}

for (const [name, button] of Object.entries(buttons)) {
  button.addEventListener("click", () => (name === "play" ? play(!playing) : move(name)));
}
scrub.max = last;
scrub.addEventListener("input", () => {
  play(false);
  go(Number(scrub.value));
});
find(".skip").addEventListener("click", () => buttons.play.focus());

document.addEventListener("keydown", (event) => {
  const at = event.target;
  const ours = player.contains(at) || (at === document.body && document.querySelectorAll(".autograd-player").length === 1);
  if (!ours || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  if (at !== scrub && at.closest("input, select, textarea")) return;
  const box = at.closest("[data-node]");
  if (event.key === "Enter" && box) jump(Number(box.dataset.node));
  else if (event.key === " " && !at.closest("button, summary")) play(!playing);
  else if (event.key === "Escape") choose(null);
  else if (event.key in keys) move(keys[event.key]);
  else return;
  event.preventDefault();
});

// ---- a node: its paths to the root, and the proof by differences --------------------------------------------------------

let chosen = null; // the node that is looked at
let pinned = null; // and the one to which that returns when the pointer leaves

function choose(id, pin = id === null) {
  if (pin) {
    pinned = id;
    find(".go-to").value = id ?? "";
    showParameters(id);
  }
  if (id === chosen) return;
  chosen = id;
  drawing.querySelectorAll(".traced, .chosen").forEach((g) => g.classList.remove("traced", "chosen"));
  const traced = id !== null && nodes[id].kind !== "constant";
  drawing.classList.toggle("tracing", traced);
  if (traced) trace(id);
  tell();
  if (!inPart.contains(document.activeElement)) showParameters(id); // else somebody is at one of them
}

function trace(id) { // light all that lies on a path from here to the root
  const on = new Set([id]);
  toggle(id, "traced", true);
  toggle(id, "chosen", true);
  let count = 0;
  for (let node = id + 1; node <= root; node++) {
    graph.nodes[node].parents.forEach((parent, operand) => {
      if (!on.has(parent) || now.slopes[node][operand] === null) return;
      on.add(node);
      toggle(node, "traced", true);
      edges[node][operand]?.g.classList.add("traced");
      count += 1;
    });
  }
  drawing.classList.toggle("few", count <= FEW);
}

function tell() { // the card of the node that is looked at
  const card = find(".node-card");
  card.replaceChildren(element("h2", "", "Paths"));
  if (chosen === null) {
    card.append(element("p", "soft", "Point at a node, tap it, or Tab to it: here are all its paths to the result. Their products add up to its gradient."));
    return;
  }
  const { name, kind, operation } = nodes[chosen];
  const what = name.startsWith(operation || kind) ? "" : ` ${operation || kind},`;
  card.append(element("p", "figures", element("bdi", "", name), `${what} data `, number(now.data[chosen], "going")));
  if (kind === "constant") {
    card.append(element("p", "soft", "A plain number that met a Value: it takes no gradient."));
    return;
  }
  tellPaths(card, chosen);
  if (!recomputes) {
    if (kind === "leaf") card.append(element("h2", "", "Proof by differences"), element("p", "soft no-proof", `There is none here: ${reason}`));
    return;
  }
  if (kind === "leaf") tellDifference(card, leafOf(chosen));
  const parameters = parametersOf(chosen);
  if (parameters.length) tellDifference(card, parameters.includes(moved) ? moved : parameters[0]);
}

function cut(items) { // a long row without its middle
  return items.length <= LONG_PATH ? items : [...items.slice(0, 4), `\u2026 ${items.length - 8} more \u2026`, ...items.slice(-4)];
}

function pathsOf(id) {
  if (!exact) return paths(now.graph, now.slopes, id, MOST_PATHS);
  const told = exact.paths[id]; // products of exact numbers are Python's
  if (told) return { count: BigInt(told.count), rest: told.rest, listed: told.listed.map(({ steps, product }) => ({ steps: steps.map(([node, operand]) => ({ node, operand })), product })) };
  const found = paths(now.graph, now.slopes.map((row) => row.map((slope) => (slope === null ? null : 1))), id, MOST_PATHS);
  return { count: found.count, rest: null, listed: found.listed.map(({ steps }) => ({ steps, product: null })) };
}

function tellPaths(card, id) {
  const found = pathsOf(id);
  const to = nodes[root].name;
  card.append(element("p", "soft", found.count === 1n && id === root ? "It is the result itself." : `${plural(found.count, "path")} to ${to}${found.count > found.listed.length ? `, the ${found.listed.length} largest:` : ":"}`));
  const list = element("ol", "routes figures");
  list.setAttribute("tabindex", "0");
  for (const { steps: way, product } of found.listed) {
    const names = [id, ...way.map((edge) => edge.node)].map((node) => element("bdi", "", nodes[node].name));
    const factors = way.map(({ node, operand }) => now.slopes[node][operand]).map((x, i) => (i ? term(x) : number(x)));
    const item = element("li", "", element("div", "soft", ...spaced(cut(names), " \u2192 ")));
    const known = product === null ? [] : [number(product, "coming")]; // one factor is the product itself
    if (way.length > 1) item.append(element("div", "", ...spaced(cut(factors), " \u00d7 "), ...known.flatMap((x) => [" = ", x])));
    else if (way.length) item.append(element("div", "", ...(known.length ? known : factors)));
    list.append(item);
  }
  if (id !== root) card.append(list);
  if (found.rest !== null) card.append(element("p", "figures soft", `${plural(found.count - BigInt(found.listed.length), "other path")}: `, number(found.rest, "coming")));
  const total = element("p", "total figures", `${found.count > 1n ? "sum = " : ""}\u2202${inFraction(to)}/\u2202${inFraction(nodes[id].name)} = `);
  total.append(element("strong", "", number(now.grads[id], "coming")));
  card.append(total);
}

function tellDifference(card, leaf) {
  const { h, low, high, above, below, slope, left, right, kink } = difference(whole, now.leaves, leaf);
  const grad = now.leafGrads[leaf];
  const digits = (x, count) => (wrong(x) ? shown(x) : x.toPrecision(count).replaceAll("-", MINUS));
  const [gradient, quotient] = [digits(grad, 10), digits(slope, 10)];
  let same = 0;
  while (same < gradient.length && gradient[same] === quotient[same]) same += 1;
  if (wrong(slope)) same = 0;
  const cell = (text, x, agreeing) => element("td", wrong(x) ? "wrong" : "", element("span", "agree", text.slice(0, agreeing)), text.slice(agreeing));
  const row = (what, text, x, agreeing = 0) => element("tr", "", element("td", "", what), cell(text, x, agreeing));
  const count = gradient.slice(0, same).replace(/e.*|\D/g, "").replace(/^0+/, "").length;
  const rounding = (2 ** -52 * Math.max(Math.abs(above), Math.abs(below))) / (high - low);
  const [name, to] = [leafName(leaf), nodes[root].name];
  const verdict = kink ? `${name} stands at a kink: slope ${shown(left)} from the left, ${shown(right)} from the right; the gradient is the rule\u2019s choice between them.` : wrong(slope) || wrong(grad) ? "There are no digits to compare." : gradient === quotient ? "All digits agree." : `Digits that agree: ${count}. Rounding alone moves the quotient by about ${shown(rounding)}.`;
  const lines = [
    row(`${to}(${name} + h)`, digits(above, 12), above),
    row(`${to}(${name} ${MINUS} h)`, digits(below, 12), below),
    row("difference / 2h", quotient, slope, same),
    row("gradient", gradient, grad, same),
  ];
  card.append(element("h2", "", isFolded ? `Proof by differences: ${name}` : "Proof by differences"), element("table", "figures proof", element("tbody", "", ...lines)), element("p", "soft", `h = ${shown(h)}. ${verdict}`));
}

stage.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch") return;
  const box = event.target.closest("[data-node]");
  choose(box ? Number(box.dataset.node) : pinned);
});
stage.addEventListener("pointerleave", () => choose(pinned));
stage.addEventListener("focusin", (event) => {
  const box = event.target.closest("[data-node]");
  if (box && box.matches(":focus-visible")) choose(Number(box.dataset.node));
});
stage.addEventListener("focusout", () => choose(pinned));
stage.addEventListener("click", (event) => {
  const box = event.target.closest("[data-node]");
  if (box) jump(Number(box.dataset.node));
  else choose(null);
});

const goTo = find(".go-to");
nodes.forEach(({ name, kind }, id) => {
  if (kind !== "constant") goTo.append(new Option(name, id));
});
goTo.addEventListener("change", () => (goTo.value === "" ? choose(null) : jump(Number(goTo.value))));

// ---- sliders ------------------------------------------------------------------------------------------------------------

const leafCard = find(".leaf-card");
const inPart = element("div", "part-sliders"); // sliders of what is folded into the node that is looked at
const warning = element("p", "soft warning");
warning.setAttribute("role", "status");
const rows = new Map(); // by leaf: what its slider is made of
const words = new Map(nodes.map((node, id) => [leafOf(id), node])); // by leaf: its name, and the part of a model that has it
for (const [leaf, { name, part }] of Object.entries(told.hidden)) words.set(Number(leaf), { slider: name, part });
const leafName = (leaf) => words.get(leaf).slider;
const inOrderOfNames = (x, y) => leafName(x).localeCompare(leafName(y), "en", { numeric: true });
const leaves = inOrderOfDrawing(nodes.map((_, id) => id).filter((id) => nodes[id].kind === "leaf")).map(leafOf);
leaves.sort((x, y) => (words.get(x).part > "") - (words.get(y).part > "") || (words.get(x).part && inOrderOfNames(x, y))); // inputs first
let shownPart = null; // the node whose parameters are in it
let moved = null; // the leaf whose slider was moved or focused last

function inOrderOfDrawing(ids) { // from top to bottom, and in a row from left to right: by the frames, since a hidden page has no layout
  const place = (id, side) => Number(boxes[id]?.g.querySelector("rect").getAttribute(side));
  const row = (id) => Math.round(place(id, "y") / 8);
  return ids.sort((x, y) => row(x) - row(y) || place(x, "x") - place(y, "x"));
}

function parametersOf(id) { // the leaves that are folded into a node
  if (!isFolded || nodes[id].kind !== "group") return [];
  return graph.nodes[id].members.filter((member) => whole.nodes[member].kind === "leaf").sort(inOrderOfNames);
}

function showParameters(id) { // null for none
  if (!recomputes || id === shownPart) return;
  shownPart = id;
  const found = id === null ? [] : parametersOf(id);
  inPart.replaceChildren();
  if (found.length) inPart.append(element("h2", "", "In ", element("bdi", "", nodes[id].name)), ...listed(found, MOST_IN_PART));
}

function warn() { // never a number of which the whole graph says otherwise without a word
  const node = isFolded ? notTold(graph, now.grads, now.leafGrads) : undefined;
  const told = node && `A folded part multiplies here what a float cannot hold: in the whole graph the gradient of ${node.name} is ${shown(now.leafGrads[node.of])}.`;
  warning.replaceChildren(...(node ? [told] : []));
}

function setLeaf(id, value) {
  const data = now.leaves.slice();
  data[id] = value;
  moved = id;
  recompute(data);
  const here = step;
  walk(-1); // and here again, over the new numbers
  walk(here);
  paintNumbers();
  paint();
  if (chosen !== null) tell();
  rows.get(id)?.write();
  warn();
}

function reachOf(value) { // how far a slider goes to either side: 2, 5, 10, 20, ...
  const least = Math.max(2, 1.5 * Math.abs(value));
  const power = 10 ** Math.floor(Math.log10(least));
  return Math.min(power * [1, 2, 5, 10].find((n) => n * power >= least), Number.MAX_VALUE / 4);
}

function readNumber(text) { // null for what is none
  const written = text.trim().toLowerCase().replaceAll(MINUS, "-").replace("\u221e", "inf").replace("infinity", "inf");
  if (written in NUMBERS) return NUMBERS[written]; // infinity and NaN may be tried: how they spread is worth seeing
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(written) ? Number(written) : null; // decimal, as Python's float() takes it
}

function unread(text, value) { // why that is none, and what to write
  const written = text.trim();
  const stays = ` It stays ${shown(value)}.`;
  if (!written) return `Nothing is written here.${stays}`;
  const [above, below] = written.split("/").map(readNumber);
  const meant = written.includes("/") ? (above !== null && below ? above / below : null) : readNumber(written.replace(",", "."));
  const advice = meant !== null && meant !== undefined && !wrong(meant) ? `write ${all(meant)}` : `write it as in 2, ${MINUS}0.5 or 1e${MINUS}3; inf and nan may be tried`;
  return `\u201c${written.slice(0, 24)}\u201d cannot be read as a number: ${advice}.${stays}`;
}

const all = (x) => String(x).replaceAll("-", MINUS);

function brief(x) { // in nine characters, which its field has room for; all digits stand there while it is edited
  const written = wrong(x) ? [String(x)] : [6, 5, 4, 3, 2, 1].map((digits) => String(Number(x.toPrecision(digits))));
  return all(written.find((text) => text.length <= 9) ?? written.at(-1));
}

function ending(name) { // a long name without its start, which most have in common
  if (name.length <= LONG_NAME) return name;
  const dots = [...name.matchAll(/\./g)].map(({ index }) => index + 1);
  const from = dots.find((dot) => name.length - dot <= LONG_NAME) ?? name.length - LONG_NAME;
  return `\u2026${name.slice(from)}`;
}

function sliderRow(id) {
  const { slider: name, part } = words.get(id);
  const start = whole.data[id];
  const centre = wrong(start) ? 0 : start;
  const reach = reachOf(centre);
  const places = Math.max(0, 2 - Math.floor(Math.log10(reach))); // a slider moves in hundredths of its reach
  const range = element("input");
  const [min, max] = [Math.max(-Number.MAX_VALUE, centre - reach), Math.min(Number.MAX_VALUE, centre + reach)];
  Object.assign(range, { type: "range", step: "any", min, max, ariaLabel: name });
  const field = element("input");
  Object.assign(field, { type: "text", inputMode: "decimal", autocomplete: "off", ariaLabel: `${name}, exactly` });
  const reset = element("button", "", "\u21ba");
  Object.assign(reset, { type: "button", title: "Back to the first number", ariaLabel: `Back to the first ${name}` });
  const problem = element("p", "soft problem");
  problem.setAttribute("role", "status");
  const row = element("div", "leaf-row", element("bdi", "who figures", ending(name)), range, field, reset, problem);
  row.dataset.leaf = id;
  row.addEventListener("focusin", () => {
    moved = id;
    if (chosen !== null && parametersOf(chosen).includes(id)) tell(); // its proof
  });
  row.title = name.startsWith(part) ? name : `${part}: ${name}`;
  const write = () => {
    const value = now.leaves[id];
    range.value = wrong(value) ? centre : value;
    range.setAttribute("aria-valuetext", shown(value));
    if (document.activeElement !== field) field.value = brief(value);
    field.removeAttribute("aria-invalid");
    problem.textContent = "";
    reset.style.visibility = Object.is(value, start) ? "hidden" : "visible";
  };
  range.addEventListener("input", () => setLeaf(id, Number(Number(range.value).toFixed(places))));
  field.addEventListener("input", () => {
    const value = readNumber(field.value);
    if (value !== null) setLeaf(id, value);
    field.setAttribute("aria-invalid", value === null);
    problem.textContent = value === null ? unread(field.value, now.leaves[id]) : "";
  });
  field.addEventListener("focus", () => {
    field.value = all(now.leaves[id]);
    field.select();
  });
  field.addEventListener("blur", write);
  reset.addEventListener("click", () => {
    setLeaf(id, start);
    range.focus();
  });
  rows.set(id, { row, write });
  write();
  return row;
}

function sliders() {
  if (!recomputes) {
    leafCard.append(element("p", "soft", refusal));
    return;
  }
  const named = leaves.filter((leaf) => words.get(leaf).labelled);
  const first = leaves.length > MOST_SLIDERS && named.length ? named : leaves;
  leafCard.append(...listed(first, MOST_SLIDERS, leaves, " (a click on one in the drawing brings its slider)"));
  const parts = isFolded && nodes.some((_, id) => parametersOf(id).length);
  if (parts) leafCard.append(element("p", "soft", "Click a part in the drawing, or press Enter on it: its parameters have sliders too."));
  leafCard.append(inPart, warning);
}

function listed(first, most, all = first, hint = "") { // sliders for `all`; for as many of the first as fit, and the rest when asked for
  const some = all.length <= most ? all : first.slice(0, most);
  const list = element("div", "leaves", ...some.map(rowOf));
  const count = all.length - some.length;
  if (!count) return [list];
  const rest = element("details", "", element("summary", "", `${plural(count, "more leaf").replace("leafs", "leaves")}${hint}`));
  rest.addEventListener("toggle", () => { // made when they are asked for
    const shown = new Set(some);
    if (!rest.querySelector(".leaves")) rest.append(element("div", "leaves", ...all.filter((id) => !shown.has(id) && !list.contains(rows.get(id)?.row)).map(rowOf)));
  });
  return [list, rest];
}

function rowOf(leaf) { // made once
  if (!rows.has(leaf)) sliderRow(leaf);
  return rows.get(leaf).row;
}

function pick(id) { // a slider for a leaf that was chosen and has none
  if (recomputes && nodes[id].kind === "leaf" && !rows.has(leafOf(id))) leafCard.querySelector(".leaves").append(rowOf(leafOf(id)));
}

sliders();
warn();
tell();
paintNumbers();
paint();
resize();
