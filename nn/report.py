"""The report of a training run: one HTML file that needs nothing else, neither network nor script.

Numbers that go forward are blue and gradients that come back are orange, here as in every drawing of a graph. Whatever
comes from a user's file (names of columns, classes, the file itself) is escaped before it becomes HTML.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib import resources
from typing import Any

import autograd
from autograd import Value
from autograd.files import write_file
from nn.charts import Series, line_chart, pixels, scatter
from nn.data import Dataset, Standardizer
from nn.perceptron import MLP
from nn.train import History
from nn.words import counted, number, percent

__all__ = ["Run", "chain_of_one_neuron", "check_replaceable", "report_html", "write_report"]

GENERATOR = '<meta name="generator" content="scalar-autograd">'  # by this a report is known again

MOST_CLASSES_IN_TABLE = 20
MOST_MISTAKES = 24
MOST_IMAGES = 60
MOST_ROWS = 20
MOST_POINTS = 400

Row = Sequence[float]


@dataclass
class Run:
    """A trained network and all that its report tells.

    model     the trained MLP; its last layer gives one score per class, or one number for regression
    history   what `nn.fit` returned
    train     examples that it learnt from
    test      examples held out
    prepare   turns an example into what the model is called with
    scale     regression: what targets were standardized by
    command   the command line that gives the same run again
    settings  name -> value, for the table at the end
    image     (width, full ink) if examples are images, else None
    """

    model: MLP
    history: History
    train: Dataset
    test: Dataset
    prepare: Callable[[Row], Row]
    scale: Standardizer | None = None
    command: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    image: tuple[int, float] | None = None
    outputs: list[list[float]] = field(init=False)

    def __post_init__(self) -> None:
        with autograd.no_grad():
            results = [self.model(self.prepare(example)) for example in self.test.examples]
        self.outputs = [[v.data for v in result] if isinstance(result, list) else [result.data] for result in results]

    @property
    def classifies(self) -> bool:
        """Whether the target is a class."""
        return self.test.task == "classification"

    @cached_property
    def predictions(self) -> list[Any]:
        """For each held-out example the index of the class with the greatest score, or the predicted number."""
        if self.classifies:
            return [scores.index(max(scores)) for scores in self.outputs]
        return [self.scale.inverse(output)[0] if self.scale else output[0] for output in self.outputs]

    @cached_property
    def right(self) -> list[int]:
        """Which held-out examples are classified rightly."""
        return [i for i, truth in enumerate(self.test.targets) if self.predictions[i] == truth]

    @cached_property
    def mistakes(self) -> list[int]:
        """Which held-out examples are classified wrongly."""
        return [i for i, truth in enumerate(self.test.targets) if self.predictions[i] != truth]

    @property
    def accuracy(self) -> float:
        """The share of held-out examples that are classified rightly."""
        return 1 - len(self.mistakes) / len(self.test)

    def confidence(self, index: int, kind: int) -> float:
        """The share, softmax(scores)[kind], that the network gives a class for a held-out example."""
        scores = self.outputs[index]
        return math.exp(scores[kind] - float(autograd.logsumexp(scores)))

    @property
    def errors(self) -> tuple[float, float]:
        """Regression: (root of the mean squared error in the target's unit, R^2 = 1 - squared error / variance)."""
        truths = self.test.targets
        mean = math.fsum(truths) / len(truths)
        residual = math.dist(self.predictions, truths) ** 2
        spread = math.dist(truths, [mean] * len(truths)) ** 2
        return math.sqrt(residual / len(truths)), 1 - residual / spread if spread else math.nan


def chain_of_one_neuron(model: MLP, inputs: Row, target: Any, *, classify: bool, shown: int = 3) -> Value:
    """The loss of one example as a small graph of one output neuron, swept back: its root.

    The neuron is that of the right class (or the only one). Its `shown` strongest inputs stay separate; the sum of the
    others and the bias becomes the leaf "rest", and the log-sum-exp of the other classes' scores the leaf "others".
    Both are exact, so loss and gradients are those of the whole network.
    """
    *hidden, last = model.layers
    with autograd.no_grad():
        activity: Any = inputs
        for layer in hidden:
            activity = layer(activity)
        scores = [neuron(activity).data for neuron in last.neurons]
    activity = [activity] if isinstance(activity, Value) else activity
    values = [x.data if isinstance(x, Value) else x for x in activity]
    neuron = last.neurons[target if classify else 0]
    weights = [w.data for w in neuron.w]
    strongest = sorted(range(len(weights)), key=lambda k: -abs(weights[k] * values[k]))[:shown]

    others = [weights[k] * values[k] for k in range(len(weights)) if k not in strongest]
    terms = [Value(math.fsum([*others, neuron.b.data if neuron.b is not None else 0.0]), label="rest")]
    for k in sorted(strongest):
        weight, value = f"w{_subscript(k)}", f"{'h' if hidden else 'x'}{_subscript(k)}"
        terms.append(_named(weight + value, Value(weights[k], label=weight) * Value(values[k], label=value)))
    score = _named("score" if classify else "output", autograd.sum(terms))
    if classify:
        rivals = Value(autograd.logsumexp([s for k, s in enumerate(scores) if k != target]), label="others")
        root = autograd.softmax_cross_entropy([score, rivals], 0)
    else:  # half_squared_error, with a name for every step
        error = _named("error", score - target)
        _named("target", error.parents[1])
        root = _named("error²", error * error) / 2
    _named("loss", root).backward()
    return root  # type: ignore[no-any-return]


def _named(label: str, node: Value) -> Value:
    node.label = label
    return node


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Raise OSError, saying why, if no report can be written at `path`; what is no report may be someone's data."""
    target = os.path.abspath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target!r} is a folder; give the name of a file in it")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder!r}; make it first")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"no permission to write to {folder!r}")
    if os.path.exists(target) and not _is_report(target):
        raise FileExistsError(f"{target!r} is not a report of ours, so it is left as it is; give another name")


def _is_report(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return GENERATOR.encode() in file.read(1000)


def write_report(path: str | os.PathLike[str], run: Run) -> str:
    """Write the report to `path`, whole or not at all, and return its absolute path.

    Raises OSError if that fails, or if there is another file than a report already.
    """
    check_replaceable(path)
    return write_file(os.path.abspath(path), report_html(run))


def report_html(run: Run) -> str:
    """The report as one HTML document. Two runs alike give the same bytes."""
    sections = [_summary(run), _learning(run)]
    if run.classifies:
        sections += [_images(run) if run.image else _table_of_rows(run), _confusion(run)]
    else:
        sections += [_scatter(run)]
    sections += [_chain(run), _settings(run)]
    title = f"Learning {escape(run.test.name)}"
    style = (resources.files("nn") / "report.css").read_text("utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{GENERATOR}\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n"""
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(sections)
        + "\n</main>\n</body>\n</html>\n"
    )


# ---- sections --------------------------------------------------------------------------------------------------------


def _summary(run: Run) -> str:
    parameters = len(run.model.parameters())
    if run.classifies:
        kind, counts = "images" if run.image else "rows", f"{len(run.right):,} of {len(run.test):,}"
        figure, meaning = percent(run.accuracy), f"of the held-out {kind} named rightly: {counts}"
    else:
        deviation, r_squared = run.errors
        figure = number(r_squared, 3)
        meaning = (
            f"R² on {counted(len(run.test), 'held-out row')}; predictions of “{escape(run.test.target_name)}” are off by "
            f"{number(deviation, 3)} (root mean square)"
        )
    stopped = " Training was ended early, by hand." if run.history.interrupted else ""
    return (
        f"<header><p class=kicker>A network of scalar Values</p><h1>Learning {escape(run.test.name)}</h1>"
        f"<p class=headline><strong>{figure}</strong> <span>{meaning}</span></p>"
        f"<p>The network has {parameters:,} parameters: single numbers. For every batch of the "
        f"{len(run.train):,} training examples a sweep of the chain rule finds the gradient of each."
        f"{stopped}</p></header>"
    )


def _learning(run: Run) -> str:
    history = run.history
    epochs = range(1, len(history.losses) + 1)
    middles = [epoch - 0.5 for epoch in epochs]  # where a mean over an epoch belongs
    held_out, right = history.validation_losses, history.validation_accuracies
    charts = line_chart(
        [
            Series("each batch", *_thinned(history.step_losses, history.steps_per_epoch), "faint"),
            Series("epoch mean", middles, history.losses),
            Series("held out", epochs[: len(held_out)], held_out, "dashed"),
        ],
        title="Loss while training",
        x_label="epoch",
        y_label="loss",
    )
    if history.accuracies:
        charts += line_chart(
            [
                Series("training", middles, history.accuracies),
                Series("held out", epochs[: len(right)], right, "dashed"),
            ],
            title="Accuracy while training",
            x_label="epoch",
            y_label="accuracy",
            as_percent=True,
            y_low=math.floor(10 * min(*history.accuracies, *right, 0.9)) / 10,
        )
    formula = "−log of the probability given to the right class" if run.classifies else "½ (output − target)²"
    note = "" if run.classifies else ", with targets scaled to standard deviation 1"
    return _section(
        "How it learnt",
        f"The loss of an example is {formula}{note}; an epoch is one pass over all training examples.",
        f"<div class=charts>{charts}</div>",
    )


def _images(run: Run) -> str:
    shown = range(min(MOST_IMAGES, len(run.test)))
    body = f"<div class=images>{''.join(_image(run, i) for i in shown)}</div>"
    if wrong := run.mistakes:
        title = counted(len(wrong), "mistake")
        if len(wrong) > MOST_MISTAKES:
            title = f"The first {MOST_MISTAKES} of {title}"
        images = "".join(_image(run, i, sure=True) for i in wrong[:MOST_MISTAKES])
        text = "What the network took each for, what it is, and how sure the network was."
        body += f"<h3>{title}</h3><p>{text}</p><div class=images>{images}</div>"
    return _section(
        "What it sees",
        f"The first {len(shown)} held-out images, each with the name that the network gives it. "
        "A wrong name is marked ✗, and the right one stands beside it.",
        body,
    )


def _image(run: Run, index: int, sure: bool = False) -> str:
    assert run.image is not None
    width, full = run.image
    names, truth, said = run.test.class_names, run.test.targets[index], run.predictions[index]
    picture = pixels(run.test.examples[index], width=width, full=full, title=f"an image of {names[int(truth)]}")
    if said == truth:
        return f"<figure>{picture}<figcaption>{escape(names[said])}</figcaption></figure>"
    share = f"<br><small>{percent(run.confidence(index, said))}</small>" if sure else ""
    caption = f"✗ {escape(names[said])} <small>is {escape(names[int(truth)])}</small>{share}"
    return f'<figure class="wrong">{picture}<figcaption>{caption}</figcaption></figure>'


def _table_of_rows(run: Run) -> str:
    names, wrong = run.test.class_names, run.mistakes
    chosen = wrong[: MOST_ROWS // 2]
    chosen += run.right[:: max(1, math.ceil(len(run.right) / (MOST_ROWS - len(chosen))))]  # evenly over the file
    features = run.test.feature_names[:5]
    head = "".join(f"<th class=number>{escape(name)}</th>" for name in features)
    head += f"<th>{escape(run.test.target_name)}</th><th>network</th><th class=number>sure</th>"
    rows = []
    for i in chosen:
        said, truth = run.predictions[i], int(run.test.targets[i])
        cells = "".join(f"<td class=number>{number(x)}</td>" for x in run.test.examples[i][: len(features)])
        verdict = escape(names[said]) if said == truth else f"✗ {escape(names[said])}"
        cells += f"<td>{escape(names[truth])}</td><td>{verdict}</td>"
        cells += f"<td class=number>{percent(run.confidence(i, said))}</td>"
        rows.append(f"<tr{'' if said == truth else ' class=wrong'}>{cells}</tr>")
    return _section(
        "What it sees",
        f"{len(rows)} held-out rows, mistakes first ({len(wrong)} in all): the true “{escape(run.test.target_name)}”, "
        "what the network says, and how sure it is.",
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>",
    )


def _confusion(run: Run) -> str:
    names = run.test.class_names
    counts = Counter(zip((int(t) for t in run.test.targets), run.predictions, strict=True))
    mixed = sorted(((n, t, p) for (t, p), n in counts.items() if t != p), key=lambda item: (-item[0], item[1:]))
    if mixed:
        most = [f"{escape(names[t])} taken for {escape(names[p])} ({n}×)" for n, t, p in mixed[:3]]
        text = f"Mixed up most often: {'; '.join(most)}."
    else:
        text = "Nothing was mixed up."
    if len(names) > MOST_CLASSES_IN_TABLE:
        return _section("What it mixes up", text, "")
    rows = []
    for t, name in enumerate(names):
        total = sum(counts[t, p] for p in range(len(names)))
        cells = [f"<th scope=row>{escape(name)}</th>"]
        for p in range(len(names)):
            n = counts[t, p]
            shade = 0 if not n else 0.15 + 0.75 * n / total
            colour = f"var(--{'forward' if t == p else 'wrong'}-rgb)"
            strong = " class=strong" if shade > 0.5 else ""
            style = f' style="background:rgb({colour} / {shade:.2f})"' if n else ""
            cells.append(f"<td{strong}{style}>{n or ''}</td>")
        rows.append(f"<tr>{''.join(cells)}<td class=share>{percent(counts[t, t] / total) if total else ''}</td></tr>")
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in names)
    table = (
        f'<div class=wide><table class="confusion"><thead><tr><td></td>{head}<th>right</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    return _section("What it mixes up", f"Each row is a true class, each column what the network said. {text}", table)


def _scatter(run: Run) -> str:
    pairs = list(zip(run.test.targets, run.predictions, strict=True))[:MOST_POINTS]
    name = run.test.target_name
    chart = scatter(pairs, title=f"{name}: predicted against true", x_label=f"true {name}", y_label=f"predicted {name}")
    text = "Each dot is a held-out row; on the dashed line the prediction is exact."
    return _section("What it predicts", text, f"<div class=charts>{chart}</div>")


def _chain(run: Run) -> str:
    from autograd.drawing import draw, ledger
    from autograd.drawing.figures import figure

    index = _telling_example(run)
    target: Any = run.test.targets[index]
    if run.classifies:
        name, share = escape(run.test.class_names[target]), run.confidence(index, target)
        who = (
            f"One held-out example of “{name}”, to which the network gave {percent(share)}, and the neuron that scores "
            f"“{name}”."
        )
        joined = ", the scores of the other classes are joined in <i>others</i> (log-sum-exp)"
        slope = f"the score is the probability less 1, {figure(share)} − 1 = <b class=backward>{figure(share - 1)}</b>"
    else:
        who, joined, slope = "One held-out row and the output neuron.", "", "the output is the error, output − target"
        target = run.scale([target])[0] if run.scale else target
    picture = f"<div class=specimen>{_image(run, index)}</div>" if run.image else ""
    inputs = run.prepare(run.test.examples[index])
    root = chain_of_one_neuron(run.model, inputs, target, classify=run.classifies)
    return _section(
        "The chain rule of one neuron",
        f"{who} Its three strongest inputs stand alone; all its other inputs and its bias are added up in <i>rest</i>"
        f"{joined}, so that the numbers are exactly those of the whole network. "
        "<b class=forward>Blue</b> numbers were computed going forward, <b class=backward>orange</b> ones are gradients "
        "coming back: how much the loss changes per unit of that number. The slope of the loss with respect to "
        f"{slope}. The sum hands it on unchanged; at each × it is multiplied by the other factor. So a weight's gradient "
        "is this number times its input.",
        f"{picture}<div class=graph>{draw(root, engine='layered').svg}</div>"
        "<h3>The same as a ledger</h3><p>Every contribution of the sweep, in the order in which it was added: the "
        "upstream gradient times the local derivative.</p>"
        f"<pre class=wide>{escape(str(ledger(root)))}</pre>",
    )


def _settings(run: Run) -> str:
    rows = "".join(f"<tr><th scope=row>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in run.settings.items())
    notes = "".join(f"<p>{escape(note[0].upper() + note[1:])}.</p>" for note in run.test.notes)
    return _section(
        "The same again",
        "This command gives the same network and the same page, number for number:",
        f"<pre class=wide>{escape(run.command)}</pre>{notes}<div class=wide><table><tbody>{rows}</tbody></table></div>",
    )


# ---- small parts -----------------------------------------------------------------------------------------------------


def _section(title: str, text: str, body: str) -> str:
    return f"<section><h2>{title}</h2><p>{text}</p>{body}</section>"


def _telling_example(run: Run) -> int:
    """The held-out example that the network got right, yet was least sure about: its gradients are worth seeing."""
    if not run.classifies:
        return 0
    return min(run.right or [0], key=lambda i: run.confidence(i, int(run.test.targets[i])))


def _thinned(losses: Sequence[float], per_epoch: int) -> tuple[list[float], list[float]]:
    """At most MOST_POINTS points (epoch, mean loss of neighbouring batches)."""
    width = max(1, math.ceil(len(losses) / MOST_POINTS))
    groups = [losses[start : start + width] for start in range(0, len(losses), width)]
    return [(k * width + len(g) / 2) / per_epoch for k, g in enumerate(groups)], [math.fsum(g) / len(g) for g in groups]


def _subscript(index: int) -> str:
    return str(index).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
