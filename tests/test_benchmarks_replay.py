"""Replay's contestants take the same steps, the GPT learns and writes letters, and curves become pictures."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd import Value
from benchmarks import __main__ as table
from benchmarks import gpt, gpt_steps, measure, perceptrons, pictures
from benchmarks.training import RATE, Task

TINY = {
    "hinge": Task((2, 4, 3, 1), [[0.5, -1.0], [1.5, 0.25], [-0.5, 1.0]], [1, -1, 1], "hinge"),
    "cross-entropy": Task((3, 4, 2), [[0.5, -1.0, 2.0], [1.5, 0.25, -1.0]], [1, 0], "cross-entropy"),
}


def marked(ways: dict[str, Any]) -> list[Any]:
    """A way that needs a peer is tested where peers are."""
    return [pytest.param(way, marks=[pytest.mark.peers] * (way in table.NEEDS)) for way in ways]


# ---- perceptrons ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", marked(perceptrons.WAYS))
@pytest.mark.parametrize("name", TINY)
def test_all_ways_take_the_same_steps(name: str, way: str) -> None:
    """As `nn` does with one graph of all examples, and its losses fall."""
    if way == "micrograd":
        name = "hinge"  # its steps are of moons only
    step, losses = perceptrons.WAYS[way](TINY[name]), eager_losses(TINY[name], 5)
    assert [step() for _ in range(5)] == pytest.approx(losses, rel=1e-11)
    assert losses[-1] < losses[0]


def eager_losses(task: Task, steps: int) -> list[float]:
    nin, *nouts = task.sizes
    hinge = task.loss == "hinge"
    model = nn.MLP(nin, nouts, activation="relu" if hinge else "sigmoid")
    for layer, rows in zip(model.layers, task.layers(), strict=True):
        for neuron, row in zip(layer.neurons, rows, strict=True):
            for leaf, number in zip([*neuron.w, neuron.b], row, strict=True):
                leaf.data = number
    optimizer, losses = nn.SGD(model.parameters(), lr=RATE), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (nn.hinge if hinge else nn.softmax_cross_entropy)([model(x) for x in task.examples], task.targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    return losses


def test_tasks() -> None:
    moons, digits = perceptrons.moons(), perceptrons.digits()
    assert (moons.sizes, len(moons.examples), set(moons.targets)) == ((2, 16, 16, 1), 100, {-1, 1})
    assert (digits.sizes, len(digits.examples), len(digits.targets)) == ((784, 30, 10), 10, 10)
    pixels = [x for image in digits.examples for x in image]
    assert min(pixels) == 0 and 0.9 < max(pixels) <= 1 and 0.7 < np.mean(np.equal(pixels, 0)) < 0.8
    assert perceptrons.targets(TINY["hinge"]).tolist() == [[1.0], [-1.0], [1.0]]
    assert perceptrons.targets(TINY["cross-entropy"]).tolist() == [[0.0, 1.0], [1.0, 0.0]]


# ---- the GPT -------------------------------------------------------------------------------------------------------


def tiny_gpt(seed: int = 0) -> gpt.Gpt:
    return gpt.Gpt(seed, width=4, heads=2, block=12)


def test_the_model_is_as_large_as_it_should_be() -> None:
    """27 + 16 rows of 16; attention 4 x 16 x 16; the perceptron 2 x 16 x 64; the head 27 x 16."""
    model = gpt.Gpt()
    parameters = model.parameters()
    assert len({*parameters}) == 4192 == 43 * 16 + 4 * 256 + 2 * 1024 + 27 * 16
    assert parameters[: 27 * 16] == [weight for row in model.tokens for weight in row]
    loss = gpt.Sentence(model, 9).build()
    operations = sum(node.rule is not None for node in autograd.topological_sort(loss))
    assert operations == pytest.approx(68_000, rel=0.05)


@pytest.mark.parametrize("tokens", [[0, 1, 2], [0, 5, 5, 5, 19]])
def test_the_model_is_as_arrays_have_it(tokens: list[int]) -> None:
    model = tiny_gpt()
    w = gpt_steps.matrices(model)
    x = w["tokens"][tokens] + w["positions"][: len(tokens)]

    def normalised(x: Any) -> Any:
        return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5)

    y = normalised(x)
    seen = np.tril(np.ones((len(tokens), len(tokens))))
    taken = []
    for head in (slice(0, 2), slice(2, 4)):
        powers = seen * np.exp((y @ w["query"].T[:, head]) @ (y @ w["key"].T[:, head]).T / np.sqrt(2))
        taken.append(powers / powers.sum(axis=1, keepdims=True) @ (y @ w["value"].T[:, head]))
    x = x + np.concatenate(taken, axis=1) @ w["mixed"].T
    x = x + np.maximum(normalised(x) @ w["wide"].T, 0) @ w["narrow"].T
    expected = normalised(x) @ w["lm_head"].T
    scores = model.forward([model.tokens[token] for token in tokens])
    assert np.array([[score.data for score in row] for row in scores]) == pytest.approx(expected, rel=1e-12, abs=1e-12)

    wanted = [*tokens[1:], 0]
    loss = gpt.mean_loss(model, [model.tokens[t] for t in tokens], np.eye(27)[wanted].tolist())
    chances = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    assert loss.data == pytest.approx(-np.log(chances[np.arange(len(tokens)), wanted]).mean(), rel=1e-12)


def test_gradients_by_replay_are_those_of_eager_values() -> None:
    """Of a batch of sentences of one length, some letters twice in one and some in both."""
    model = tiny_gpt()
    sentences = np.array([gpt.encoded(name) for name in ("anna", "nell", "otto")])
    sentence = gpt.Sentence(model, 5)
    plan = sentence.recorded()
    result = plan(sentence.columns(sentences), bind=sentence.binding(sentences), reduce="mean")
    losses = [
        gpt.mean_loss(model, [model.tokens[token] for token in s[:-1]], np.eye(27)[s[1:]].tolist()) for s in sentences
    ]
    for loss in losses:
        loss.backward()
    assert result.values == pytest.approx([loss.data for loss in losses], rel=1e-12)
    expected = np.array([weight.grad for weight in model.parameters()]) / 3
    assert np.abs(expected).max() > 0.01
    assert result.gradients == pytest.approx(expected, rel=1e-10, abs=1e-16)


@pytest.mark.parametrize("way", marked(gpt_steps.WAYS))
def test_all_ways_take_the_same_steps_of_the_gpt(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As eager Values with nn.Adam do; a third name is a longer way from the first step, the first comes again."""
    monkeypatch.setattr(gpt_steps, "Gpt", tiny_gpt)
    names = ["abbie", "zelma", "ellen"]
    model, expected = tiny_gpt(), []
    optimizer = nn.Adam(model.parameters(), lr=0.01, betas=(0.85, 0.99), eps=1e-8)
    for name in [*names, names[0]]:
        tokens = gpt.encoded(name)
        optimizer.zero_grad()
        scores = model.forward([model.tokens[token] for token in tokens[:-1]])
        loss = nn.softmax_cross_entropy(scores, tokens[1:])
        loss.backward()
        optimizer.step()
        expected.append(loss.data)
    if way == "CasADi":
        monkeypatch.setattr(gpt_steps, "Gpt", lambda **leaf: gpt.Gpt(width=4, heads=2, block=12, **leaf))
    step = gpt_steps.WAYS[way](names)
    assert [step() for _ in expected] == pytest.approx(expected, rel=1e-9)


def test_names() -> None:
    names = gpt.read_names()
    assert 3_000 < len(names) < 10_000 and names == sorted(set(names))
    assert {letter for name in names for letter in name} == {*gpt.LETTERS[1:]}
    assert gpt.encoded("adz") == [0, 1, 4, 26, 0]
    assert {len(name) for name in gpt_steps.eight_letters(20)} == {8} and len({*gpt_steps.eight_letters(20)}) == 20
    assert max(map(len, names)) + 1 <= len(gpt.Gpt().positions)  # a recorded sentence has a position for each


def test_batches_have_every_name_once_before_one_comes_again() -> None:
    names = gpt.read_names()[:50]
    batches, seen = gpt.batched(names, 4, random.Random(1)), []
    for _ in range(2):
        seen.append([])
        while len(seen[-1]) < len(names):
            batch = next(batches)
            assert 1 <= len(batch) <= 4
            seen[-1] += ["".join(gpt.LETTERS[i] for i in row[1:-1]) for row in batch]
    assert sorted(seen[0]) == sorted(seen[1]) == names and seen[0] != seen[1]


def test_the_gpt_learns_and_writes_letters() -> None:
    """A tiny one learns names that are alike; the same again gives the same."""
    names = ["anna", "hanna", "johanna", "susanna"]

    def learnt() -> tuple[list[float], list[str], list[str]]:
        model, said = tiny_gpt(), []
        losses = gpt.train(model, names, steps=250, lanes=2, say=said.append)
        return losses, gpt.sample(model, 5), said

    losses, samples, said = learnt()
    assert len(losses) == 250 and losses[0] == pytest.approx(np.log(27), rel=0.1)
    assert np.mean(losses[-8:]) < 0.5 * losses[0]
    assert "step    250" in said[-1]
    assert len(samples) == 5 and {letter for name in samples for letter in name} <= {*"anhjosu"}
    assert all(len(name) <= 12 for name in samples)
    assert (losses, samples) == learnt()[:2]


def test_a_low_temperature_writes_what_is_likeliest() -> None:
    model = tiny_gpt()
    tokens = [gpt.BOUNDARY]
    while len(tokens) == 1 or (tokens[-1] != gpt.BOUNDARY and len(tokens) <= 12):
        scores = model.forward([model.tokens[token] for token in tokens])[-1]
        tokens.append(int(np.argmax([score.data for score in scores])))
    likeliest = "".join(gpt.LETTERS[token] for token in tokens if token)
    assert likeliest and gpt.sample(model, 3, temperature=1e-3) == [likeliest] * 3
    assert len({*gpt.sample(model, 3, temperature=1.0)}) == 3


def test_training_slows_down_towards_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    monkeypatch.setattr(gpt.Adam, "step", lambda self, numbers, gradients, share: shares.append(share))
    gpt.train(tiny_gpt(), ["al"], steps=4, say=lambda text: None)
    assert shares == [1.0, 0.75, 0.5, 0.25]


def test_training_stops_in_time() -> None:
    said: list[str] = []
    losses = gpt.train(tiny_gpt(), ["al", "bo", "cy"], seconds=0.2, lanes=3, say=said.append)
    assert len(losses) > 2 and len(said) == 1


def test_the_command_trains_and_writes_names(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    model = tiny_gpt()
    monkeypatch.setattr(gpt, "Gpt", lambda: model)
    monkeypatch.setattr(gpt, "read_names", lambda: ["al", "bo", "cy"])
    gpt.main(["--seconds", "0.5"])
    first, *_, trained = [line for line in capsys.readouterr().out.splitlines() if line[:1].isdigit() or "loss" in line]
    assert first.endswith("3 names") and "loss" in trained
    monkeypatch.setattr(gpt, "train", lambda *given, **about: [])
    monkeypatch.setattr(gpt, "sample", lambda model, count: ["al", "zed"] * (count // 2))
    gpt.main([])
    assert capsys.readouterr().out.splitlines()[1:] == ["al (in the list)", "zed"] * 10


def test_adam_is_that_of_nn() -> None:
    draw, leaves = np.random.default_rng(0), [Value(float(i)) for i in range(4)]
    numbers, ours = np.arange(4.0), gpt.Adam(4)
    theirs = nn.Adam(leaves, lr=0.01, betas=(0.85, 0.99), eps=1e-8)
    for _ in range(5):
        gradients = draw.normal(size=4)
        for leaf, gradient in zip(leaves, gradients.tolist(), strict=True):
            leaf.grad = gradient
        ours.step(numbers, gradients)
        theirs.step()
    assert numbers == pytest.approx([leaf.data for leaf in leaves], rel=1e-12)
    before = numbers.copy()
    ours.step(numbers, np.zeros(4), share=0.0)
    assert numbers.tolist() == before.tolist()


# ---- measurements and figures --------------------------------------------------------------------------------------


def test_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptrons, "moons", lambda examples=3: TINY["hinge"])
    ways = ["replay, NumPy", "hand-written NumPy"]
    taken = measure.replay_steps("moons", ways, rounds=2)
    assert list(taken) == ways and all(len(times) == 2 and min(times) > 0 for times in taken.values())
    taken = measure.replay_recording("moons", collector=True, rounds=1)
    assert list(taken) == ["record + plan", "eager"]
    taken = measure.replay_nodes(200, lanes=[1, 3], rounds=1)
    assert list(taken) == ["eager, forward and backward", "record + plan", "replay, 1 lane", "replay, 3 lanes"]


def test_recording_is_measured_beside_an_eager_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    root = SimpleNamespace(backward=lambda: done.append("backward"))
    graph = SimpleNamespace(build=lambda: done.append("build") or root, recorded=lambda: done.append("recorded"))
    monkeypatch.setattr(measure, "graph_to_record", lambda task: graph)
    monkeypatch.setattr(measure, "seconds", lambda work, collector: work() or 1.0)
    assert measure.replay_recording("moons", collector=True, rounds=1) == {"record + plan": [1e3], "eager": [1e3]}
    assert done == ["recorded"] * 2 + ["build", "backward"] * 2


def test_eager_graphs_are_measured_with_and_without_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[bool] = []
    monkeypatch.setitem(perceptrons.WAYS, "micrograd", lambda task: lambda: 1.0)
    monkeypatch.setattr(measure, "seconds", lambda work, collector: collected.append(collector) or 1.0)
    taken = measure.replay_steps("moons", ["micrograd"], rounds=1)
    assert list(taken) == ["micrograd, collector on", "micrograd, collector off"] and collected == [True, False]


def test_a_contestant_that_takes_other_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose first loss is right and whose update is not, too."""
    losses = iter([0.0, 0.0])
    monkeypatch.setitem(perceptrons.WAYS, "wrong", lambda task: lambda: next(losses))
    with pytest.raises(AssertionError, match=r"moons: wrong has the loss 0\.0, hand-written NumPy 0\.98"):
        measure.replay_steps("moons", ["hand-written NumPy", "wrong"], rounds=1)
    lasting = perceptrons.numpy(perceptrons.moons())()
    losses = iter([lasting] * 3)
    with pytest.raises(AssertionError, match="wrong"):
        measure.replay_steps("moons", ["hand-written NumPy", "wrong"], rounds=1)


def test_losses_may_differ_by_rounding_only() -> None:
    same = {"a": lambda: 1.0, "b": lambda: 1.0 + 1e-10}
    measure.take_the_same_steps("task", same, 3)
    with pytest.raises(AssertionError, match="task: c has the loss"):
        measure.take_the_same_steps("task", {**same, "c": lambda: 1.0 + 1e-8}, 3)


def test_works_take_turns_and_are_repeated_for_a_twentieth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by so much with every call of a work."""
    now, made = [0.0], []

    def work(name: str, time: float) -> None:
        made.append(name)
        now[0] += time

    def seconds(repeated: Any, collector: bool) -> float:
        start = now[0]
        repeated()
        return now[0] - start

    monkeypatch.setattr(measure, "seconds", seconds)
    works = {"a": (lambda: work("a", 0.02), True), "micrograd": (lambda: work("micrograd", 1.0), True)}
    taken = measure.in_turns(works, rounds=2)
    assert taken["a"] == pytest.approx([20.0, 20.0]) and taken["micrograd"] == pytest.approx([1000.0, 1000.0])
    assert made == ["a", *["a"] * 3, "micrograd", "micrograd", *["a"] * 3]


def test_measurements_have_one_thread_and_tell_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(table, "fresh", lambda *command, environment: given.update(environment) or "[1]")
    assert table.measure("anything", a=2) == [1]
    assert given["OPENBLAS_NUM_THREADS"] == given["OMP_NUM_THREADS"] == "1"
    with pytest.raises(ZeroDivisionError):
        measure.in_deep_stack(lambda: 1 / 0)
    assert measure.in_deep_stack(lambda: 3) == 3


def test_a_wrong_gradient_of_the_curve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = SimpleNamespace(gradients=np.zeros(200))
    monkeypatch.setattr(autograd, "replay", lambda *given: lambda columns: plan)
    with pytest.raises(AssertionError, match="200 operations: replay finds a gradient 0"):
        measure.replay_nodes(200, lanes=[1], rounds=1)


TIMES = {
    "replay, NumPy": 0.1,
    "replay, JAX": 0.05,
    "micrograd, collector on": 1_000.0,
    "micrograd, collector off": 90.0,
    "eager Values, collector on": 10.0,
    "eager Values, collector off": 4.0,
    "PyTorch": 1.0,
    "hand-written NumPy": 0.07,
    "hand-written JAX": 0.02,
    "CasADi": 0.5,
}


def measured(name: str, **about: Any) -> Any:
    if name == "replay_steps":
        return {way: [time] * 3 for way, time in TIMES.items() if way.partition(", collector")[0] in about["ways"]}
    if name == "replay_recording":
        return {"record + plan": [5.0, 6.0, 7.0], "eager": [2.5, 3.0, 1.0]}
    if name == "replay_nodes":
        return {f"replay, {lanes} lanes": [2.0 * lanes, lanes, 9.0 * lanes] for lanes in about["lanes"]}
    assert name == "replay_compiled"
    return {"seconds": 1.5, "levels": 12.0, "operations": 700.0}


def test_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "measure", measured)
    monkeypatch.setattr(table, "find_spec", lambda name: name)
    found = list(table.replay(quick=True))
    by_name = {(one.group.split(",")[0], one.name): one for one in found}
    moons, digits, model = ("replay: " + task for task in ("moons", "digits", "GPT"))
    assert by_name[moons, "replay, NumPy: time per step"].value == 100.0
    for group, ours, theirs, ratio, met in (
        (moons, "NumPy", "micrograd, collector on", 10_000, True),
        (moons, "NumPy", "micrograd, collector off", 900, False),
        (moons, "NumPy", "PyTorch", 10, True),
        (moons, "NumPy", "hand-written NumPy", 0.7, False),
        (moons, "JAX", "hand-written JAX", 0.4, False),
        (digits, "NumPy", "PyTorch", 10, True),
        (digits, "NumPy", "hand-written NumPy", 0.7, True),
        (digits, "JAX", "hand-written JAX", 0.4, None),
        (model, "NumPy", "eager Values, collector off", 40, False),
        (model, "NumPy", "PyTorch", 10, True),
        (model, "JAX", "PyTorch", 20, True),
        (model, "JAX", "CasADi", 10, None),
    ):
        one = by_name[group, f"replay, {ours}: times as fast as {theirs}"]
        assert one.value == pytest.approx(ratio) and one.met is met, one
    recorded = by_name["replay: record + plan", "GPT, collector on"]
    assert recorded.value == 2.0 and recorded.bar == 3.0 and recorded.met and recorded.note == "6.0 ms against 2.5"
    compiled = by_name["replay: time until JAX has compiled a plan", "digits"]
    assert compiled.value == 1.5 and compiled.note == "12 levels, 700 operations"
    points = [one for one in found if one.at is not None]
    assert {one.series for one in points} >= {"replay, NumPy", "hand-written JAX", "replay, 100 lanes"}
    assert {one.at for one in points if one.series == "PyTorch"} == {1.0, 100.0}
    assert {one.value for one in points if one.series == "replay, 100 lanes"} == {100.0}  # of the least disturbed round


def test_figures_without_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "measure", measured)
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    found = list(table.replay(quick=True))
    missing = {one.name: one.note for one in found if one.value is None}
    assert missing == {way: f"not installed: pip install '.[{extra}]'" for way, (_, extra) in table.NEEDS.items()}
    assert not any("compiled" in one.group for one in found)
    names = {one.name for one in found}
    assert "replay, NumPy: times as fast as hand-written NumPy" in names
    assert not any("PyTorch" in name and ":" in name for name in names)


@pytest.mark.peers
@pytest.mark.parametrize("task", ["moons", "digits"])
def test_the_time_to_compile(task: str) -> None:
    found = measure.replay_compiled(task)
    assert found["seconds"] > 0 and 3 < found["levels"] < 40 and found["operations"] > 600


def test_curves_become_pictures(tmp_path: Path) -> None:
    points = [
        {"group": f"replay: a step of moons against {what}", "series": s, "at": at, "value": at + i, "unit": unit}
        for what, unit in (("lanes", "us"), ("nodes", "ms"))
        for i, s in enumerate(("replay, NumPy", "PyTorch"))
        for at in (1.0, 100.0)
    ]
    other = {"group": "speed", "series": "", "at": None, "value": 1.0, "unit": "ns"}
    files = pictures.curves([other, *points], tmp_path / "new")
    assert [file.name for file in files] == [
        "replay-a-step-of-moons-against-lanes.png",
        "replay-a-step-of-moons-against-nodes.png",
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_the_command_draws_the_curves_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    point = table.Figure("replay: time against lanes", "1 lane: PyTorch", 2.0, "us", series="PyTorch", at=1.0)
    monkeypatch.setitem(table.GROUPS, "replay", lambda quick: [point])
    assert table.main(["--only", "replay", "--plots", str(tmp_path)]) == 0
    (file,) = tmp_path.iterdir()
    assert file.suffix == ".png" and str(file) in capsys.readouterr().out
