// The page of `explore`: sliders that ask Python, and whatever Python drew. An anywidget front-end, without dependencies.

let made = 0; // widgets on this page, for ids of their own

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A number as a reader writes it: four significant digits and a true minus sign, as in Python.
function figure(x) {
  return String(Number(x.toPrecision(4))).replace("-", "\u2212");
}

function render({ model, el }) {
  const id = `autograd-explorer-${Date.now().toString(36)}-${++made}`;
  const rows = new Map(); // argument -> { range, number, slope }
  const controls = element("div", { class: "controls", role: "group", "aria-label": "Arguments" });
  const result = element("p", { class: "result", "aria-live": "polite" });
  const message = element("p", { class: "message", role: "status" });
  const graph = element("div", { class: "graph", role: "group", "aria-label": "Graph", tabindex: "0" });
  const curves = element("div", { class: "curves" });
  const root = element("div", { class: "autograd-explorer" }, graph, element("div", { class: "side" }, controls, result, message), curves);
  el.append(root);
  controls.addEventListener("keydown", (event) => { // JupyterLab would take them, and no slider move
    if (/^(Arrow|Home|End|Page)/.test(event.key)) event.stopPropagation();
  });

  // One question at a time: what moves meanwhile is asked when the answer is there, and only where the slider is then.
  let serial = model.get("state").answered || 0, waiting = false, wanted = {}, timer = null;
  function ask() {
    if (waiting || !Object.keys(wanted).length) return;
    waiting = true;
    model.set("asked", { serial: ++serial, numbers: wanted });
    wanted = {};
    model.save_changes();
    clearTimeout(timer);
    timer = setTimeout(() => say("No answer from Python: is the kernel running, or busy?"), 10_000);
  }
  function move(key, x) {
    const { range, number } = rows.get(key);
    range.value = number.value = x;
    range.setAttribute("aria-valuetext", figure(x));
    wanted[key] = x;
    ask();
  }
  function say(words) {
    if (message.textContent !== words) message.textContent = words;
    message.hidden = !words;
  }

  function control({ name, key, low, high }, i) {
    const unit = 10 ** Math.floor(Math.log10((high - low) / 100));
    const step = unit * [5, 2, 1].find(m => m * unit <= (high - low) / 100); // round, so that round numbers can be met
    const range = element("input", { type: "range", id: `${id}-${i}`, min: low, max: high, step });
    const number = element("input", { type: "number", min: low, max: high, step: "any", "aria-label": `${name} as a number` });
    const slope = element("output", { for: range.id, class: "slope" });
    range.addEventListener("input", () => move(key, range.valueAsNumber));
    number.addEventListener("change", () => {
      const x = number.valueAsNumber;
      if (Number.isFinite(x)) move(key, Math.min(Math.max(x, low), high));
      else show(); // not a number: back to what it is
    });
    const label = element("label", { for: range.id }, element("bdi", {}, name));
    controls.append(element("div", { class: "control" }, label, range, number, slope));
    rows.set(key, { range, number, slope });
  }

  function show() {
    const state = model.get("state");
    if (!rows.size) state.arguments.forEach(control);
    if (!waiting || state.answered === serial) {
      waiting = false;
      clearTimeout(timer);
    }
    for (const { key, name, value } of state.arguments) {
      const { range, number, slope } = rows.get(key);
      if (!waiting && !(key in wanted)) {
        range.value = value;
        if (number !== document.activeElement || number.valueAsNumber !== value) number.value = Number(value.toPrecision(6));
        range.setAttribute("aria-valuetext", figure(value));
      }
      slope.textContent = `d${state.name}/d${name} = ${state.gradients[key] ?? "\u2013"}`;
    }
    const old = state.stale ? " (old: from before the error)" : "";
    result.textContent = `${state.name} = ${state.value}${old}`;
    root.classList.toggle("stale", state.stale);
    root.setAttribute("aria-label", `Explore ${state.name}`);
    say(state.message);
    if (graph.picture !== state.picture) graph.innerHTML = graph.picture = state.picture; // made by Python, where labels are escaped
    const drawn = state.curves.join("");
    if (curves.picture !== drawn) curves.innerHTML = curves.picture = drawn;
    graph.hidden = !state.picture;
    ask();
  }

  model.on("change:state", show);
  show();
  return () => {
    clearTimeout(timer);
    model.off("change:state", show);
  };
}

export default { render };
