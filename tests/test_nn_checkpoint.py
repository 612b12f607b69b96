"""Checkpoints: resumed trainings equal to the bit, files whole or refused, and nothing changed by what is refused."""

import errno
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracing import at_line

import nn
from autograd import Value
from nn import (
    MLP,
    SGD,
    Adam,
    AdamW,
    Callback,
    CheckpointError,
    Dropout,
    EarlyStopping,
    History,
    Linear,
    Module,
    Optimizer,
    RMSprop,
    SaveCheckpoint,
    Sequential,
    Training,
    TrainingError,
    TrainingWarning,
    checkpoint,
    fit,
    half_squared_error,
    schedules,
)

pytestmark = pytest.mark.usefixtures("ctrl_c")

ROOT = Path(__file__).resolve().parent.parent
DATA = random.Random(5)
EXAMPLES = [[DATA.uniform(-1, 1), DATA.uniform(-1, 1)] for _ in range(7)]
CLASSES = [int(x * y > 0) for x, y in EXAMPLES]
VALIDATION = [[x + 0.1, y - 0.1] for x, y in EXAMPLES[:4]], CLASSES[:4]


# ---- resuming --------------------------------------------------------------------------------------------------------


class Stop(Module):
    """A model that is interrupted in a call, counted from 1."""

    def __init__(self, inner: Module, at: int) -> None:
        self.inner, self.at, self.calls = inner, at, 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return self.inner(x)


def plain_net(rng: random.Random) -> Module:
    return MLP(2, [3, 2], activation="tanh", rng=rng)


def dropout_net(rng: random.Random) -> Module:
    """Three sources of random numbers: its own, fit's, and the module `random`."""
    return Sequential(
        Linear(2, 4, rng=rng),
        Dropout(0.2, rng=random.Random(9)),
        "tanh",
        Dropout(0.3, rng=rng),
        Dropout(0.3),
        Linear(4, 2, rng=rng),
    )


class Cosy(Optimizer):
    """A user's own optimiser, which remembers something."""

    kept = ("before",)

    def update(self, lr: float, rows: Any) -> Any:
        for x, grad, before in rows:
            yield x - lr * (grad + 0.5 * before), grad


OPTIMIZERS: dict[str, Callable[[list[Value]], Optimizer]] = {
    "SGD": lambda p: SGD(p, lr=0.3),
    "momentum": lambda p: SGD(p, lr=0.1, momentum=0.8, weight_decay=0.01),
    "nesterov": lambda p: SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    "Adam": lambda p: Adam(p, lr=0.05),
    "AdamW, cosine": lambda p: AdamW(p, lr=0.05, schedule=schedules.cosine(8)),
    "RMSprop": lambda p: RMSprop(p, lr=0.05, momentum=0.5, centered=True),
    "SGD, warmup": lambda p: SGD(p, lr=0.3, schedule=schedules.warmup(4, schedules.step_decay(2))),
    "own": lambda p: Cosy(p, lr=0.1),
}


class One:
    """One process's run of the same command."""

    def __init__(
        self,
        path: Path,
        optimizer: str = "Adam",
        net: Callable[[random.Random], Module] = plain_net,
        at: int = 0,
        early: dict[str, Any] | None = None,
        shuffled: bool = True,
        **keywords: Any,
    ) -> None:
        random.seed(77)
        self.rng = random.Random(3)
        self.model = Stop(net(self.rng), at)
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.callbacks: list[Any] = [SaveCheckpoint(path)]
        self.early = EarlyStopping(**early) if early else None
        self.callbacks += [self.early] if self.early else []
        self.keywords = {"epochs": 4, "batch_size": 3, "rng": self.rng if shuffled else None, **keywords}

    def fit(self, resume: Path | None = None) -> History:
        self.history = fit(
            self.model,
            EXAMPLES,
            CLASSES,
            optimizer=self.optimizer,
            validation=VALIDATION,
            callbacks=self.callbacks,
            progress=False,
            checks=False,
            resume=resume,
            **self.keywords,
        )
        return self.history

    def numbers(self) -> list[Any]:
        early = self.early.state() if self.early else None
        return [
            [p.data.hex() for p in self.model.parameters()],
            self.optimizer.state(),
            {**vars(self.history), "interrupted": False, "stopped": ""},
            self.rng.getstate(),
            random.getstate(),
            early,
        ]


def check_resumed(folder: Path, at: int, **options: Any) -> bool:
    """Whether a run that is interrupted in a call of the model and resumed is, to the bit, one that was never stopped."""
    folder.mkdir(exist_ok=True)
    whole, path = One(folder / "whole.json", **options), folder / "run.json"
    whole.fit()
    path.unlink(missing_ok=True)
    first = One(path, at=at, **options)
    first.fit()
    if not first.history.interrupted or not path.exists():  # it ended before, or stopped in the first batch
        assert first.numbers() == whole.numbers() or not first.history.step_losses
        return False
    again = One(path, **options)
    again.fit(resume=path)
    assert again.numbers() == whole.numbers()
    assert (folder / "whole.json").read_bytes() == path.read_bytes()
    return True


@pytest.mark.parametrize("net", [plain_net, dropout_net])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_is_never_stopped(optimizer: str, net: Callable[[random.Random], Module], tmp_path: Path) -> None:
    # calls 1-7 are the first epoch's examples, 8-11 its validation, 12-18 the second epoch's
    for at in (6, 10, 12, 16, 30):
        assert check_resumed(tmp_path, at, optimizer=optimizer, net=net)


@given(
    at=st.integers(1, 44),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    net=st.sampled_from([plain_net, dropout_net]),
    early=st.none() | st.fixed_dictionaries({"patience": st.integers(1, 3), "restore_best": st.booleans()}),
    shuffled=st.booleans(),
    batch_size=st.integers(1, 8),
)
@settings(max_examples=30)
def test_resumed_wherever_it_stops(tmp_path_factory: pytest.TempPathFactory, at: int, **options: Any) -> None:
    check_resumed(tmp_path_factory.getbasetemp() / "wherever", at, **options)


def test_resumed_with_penalty_and_clipping(tmp_path: Path) -> None:
    models: list[Module] = []

    def net(rng: random.Random) -> Module:
        models.append(plain_net(rng))
        return models[-1]

    keywords: dict[str, Any] = {"penalty": lambda: nn.l2_penalty(models[-1].parameters(), 0.1), "clip_norm": 0.1}
    assert check_resumed(tmp_path, 17, net=net, **keywords)


def test_resumed_twice_and_after_every_step(tmp_path: Path) -> None:
    whole = One(tmp_path / "whole.json", net=dropout_net)
    whole.fit()
    path, resume = tmp_path / "run.json", None
    for at in (5, 4, 9, 8, 7, 12, 0):
        run = One(path, net=dropout_net, at=at)
        run.callbacks = [SaveCheckpoint(path, every_steps=1)]
        run.fit(resume=resume)
        resume = path
    assert run.numbers() == whole.numbers()


def test_killed_between_two_savings(tmp_path: Path) -> None:
    """What was done after the last file is done again, to the bit: here the files are copies of what stood there."""
    path, kept = tmp_path / "run.json", []
    whole = One(path, net=dropout_net, early={"patience": 9})
    whole.callbacks = [SaveCheckpoint(path, every_steps=2), whole.early, lambda t: kept.append(path.read_bytes())]
    whole.fit()
    assert len(set(kept)) == 4
    for data in kept:
        path.write_bytes(data)
        again = One(path, net=dropout_net, early={"patience": 9})
        again.fit(resume=path)
        assert again.numbers() == whole.numbers()


def test_early_stopping_resumed(tmp_path: Path) -> None:
    """It stops where it would have, with the best parameters of before; and once stopped it stays so."""
    options: dict[str, Any] = {"optimizer": "SGD", "early": {"patience": 2, "min_delta": 0.05}, "epochs": 30}
    whole = One(tmp_path / "whole.json", **options)
    stopped = whole.fit().stopped
    epochs = len(whole.history.losses)
    assert 3 < epochs < 30
    for at in range(12, 11 * epochs, 13):
        assert check_resumed(tmp_path, at, **options)
    again = One(tmp_path / "whole.json", **options)
    assert again.fit(resume=tmp_path / "whole.json").stopped == stopped
    assert again.numbers() == whole.numbers()
    assert again.model.calls == 0
    patient = One(tmp_path / "whole.json", **{**options, "early": {"patience": 4, "min_delta": 0.05}})
    more = patient.fit(resume=tmp_path / "whole.json")
    other = One(tmp_path / "other.json", **{**options, "early": {"patience": 4, "min_delta": 0.05}})
    assert more.losses == other.fit().losses
    assert len(more.losses) > epochs


def test_numpy_s_whole_numbers_are_saved_as_python_s(tmp_path: Path) -> None:
    import numpy as np

    plain, numpy = One(tmp_path / "plain.json"), One(tmp_path / "numpy.json")
    plain.fit()
    numpy.keywords.update(epochs=np.int64(4), batch_size=np.int32(3))
    numpy.fit()
    assert (tmp_path / "plain.json").read_bytes() == (tmp_path / "numpy.json").read_bytes()


def test_two_callbacks_of_a_kind_get_each_its_own_state(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    kinds = [EarlyStopping(9, monitor="losses"), EarlyStopping(9, monitor="validation_accuracies")]
    first = One(path, epochs=2)
    first.callbacks += kinds
    first.fit()
    assert kinds[0].best != kinds[1].best
    again = One(path, epochs=2)
    again.callbacks += [EarlyStopping(9, monitor="losses"), EarlyStopping(9, monitor="validation_accuracies")]
    again.fit(resume=path)
    assert [one.state() for one in again.callbacks[1:]] == [one.state() for one in kinds]


def test_fewer_epochs_than_were_begun_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    One(path, at=17).fit()  # in the second epoch
    with pytest.raises(CheckpointError, match="holds 4 steps, more than epochs=1 has"):
        One(path, epochs=1).fit(resume=path)


def test_more_epochs_are_added(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    One(path, epochs=2, early={"patience": 9}).fit()
    more, whole = (
        One(path, epochs=4, early={"patience": 9}),
        One(tmp_path / "whole.json", epochs=4, early={"patience": 9}),
    )
    more.fit(resume=path)
    whole.fit()
    assert more.numbers() == whole.numbers()
    again = One(path, epochs=4, early={"patience": 9})
    again.fit(resume=path)  # there is nothing left to do
    assert again.numbers() == whole.numbers()


def test_the_bar_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.json"
    One(path, epochs=3).fit()
    run = One(path, epochs=4)
    fit(
        run.model,
        EXAMPLES,
        CLASSES,
        optimizer=run.optimizer,
        validation=VALIDATION,
        rng=run.rng,
        epochs=4,
        batch_size=3,
        resume=path,
    )
    first, *_, last = capsys.readouterr().err.strip().split("\r")
    assert first.startswith(
        f"epoch 4/4, loss {json.loads(path.read_text())['training']['history']['losses'][2]:.3g}, acc"
    )
    assert "|" + "█" * 7 in first.replace("▌", "█") or "#" * 7 in first
    assert last.startswith("epoch 4/4")


def test_a_loss_that_was_not_finite_is_resumed_from_the_step_before(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run = One(path, loss=lambda output, target: output[0] * math.nan if run.optimizer.steps == 4 else output[0])
    with pytest.raises(TrainingError):
        run.fit()
    assert json.loads(path.read_text())["step"] == 4
    again = One(path, loss=lambda output, target: output[0])
    whole = One(tmp_path / "whole.json", loss=lambda output, target: output[0])
    assert again.fit(resume=path) == whole.fit()
    assert again.numbers() == whole.numbers()


@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan])
def test_a_measured_loss_may_be_infinite(x: float, tmp_path: Path) -> None:
    def loss(output: Any, target: int) -> Any:
        return output[0] * output[0] + (0 if output[0].parents else x)

    path = tmp_path / "run.json"
    One(path, loss=loss, epochs=2, early={"monitor": "validation_losses"}).fit()
    again = One(path, loss=loss, early={"monitor": "validation_losses"})
    again.fit(resume=path)
    assert list(map(repr, again.history.validation_losses)) == [repr(x)] * 4
    assert again.early.waited == (3 if x == -math.inf else 4 if math.isnan(x) else 3)
    whole = One(tmp_path / "whole.json", loss=loss, early={"monitor": "validation_losses"})
    whole.fit()
    assert repr(whole.numbers()) == repr(again.numbers())


# ---- what does not fit -----------------------------------------------------------------------------------------------


def everything(run: One, training: Training | None = None) -> list[Any]:
    return [
        [(p.data.hex(), p.grad) for p in run.model.parameters()],
        run.optimizer.state(),
        run.rng.getstate(),
        random.getstate(),
        run.early.state() if run.early else None,
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 4}, "saved with batch_size = 3, and here it is 4"),
        ({"epochs": 1}, r"holds 6 steps, more than epochs=1 has: epochs counts from the beginning"),
        ({"optimizer": "SGD"}, "this is the state of 'Adam', and the optimizer is SGD"),
        ({"net": lambda rng: MLP(2, [4, 2], rng=rng)}, r"it lacks inner\.layers\.0\.neurons\.3\.w\[0\]|its shapes"),
        ({"net": lambda rng: MLP(3, [3, 2], rng=rng)}, r"neurons\.0\.w has 2 numbers in the file and 3 numbers here"),
        ({"net": lambda rng: MLP(2, [3, 3, 2], rng=rng)}, r"layers\.1"),
        ({"shuffled": False}, "random sources"),
        ({"net": dropout_net}, r"it lacks .*weight"),
        ({"loss": half_squared_error}, "history has 2 accuracies, and this training would have 0"),
    ],
)
def test_resuming_something_else_is_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    One(path, epochs=2).fit()
    run = One(tmp_path / "other.json", **options)
    before = everything(run)
    with pytest.raises(CheckpointError, match=words) as error:
        run.fit(resume=path)
    assert str(error.value).startswith(str(path))
    assert everything(run) == before
    assert not (tmp_path / "other.json").exists()


def test_resuming_with_other_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    One(path, epochs=2).fit()
    run = One(path)
    with pytest.raises(CheckpointError, match="saved with examples = 7, and here it is 4"):
        fit(run.model, *VALIDATION, batch_size=3, rng=run.rng, optimizer=run.optimizer, resume=path, progress=False)
    with pytest.raises(CheckpointError, match="has 2 validation_losses, and this training would have 0"):
        fit(
            run.model,
            EXAMPLES,
            CLASSES,
            batch_size=3,
            rng=run.rng,
            optimizer=run.optimizer,
            resume=path,
            progress=False,
        )
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        run.fit(resume=tmp_path / "nowhere.json")
    nn.save(path, run.model, run.optimizer)
    with pytest.raises(CheckpointError, match="holds a model, but no training"):
        run.fit(resume=path)


def test_a_callback_that_refuses_its_state_undoes_all(tmp_path: Path) -> None:
    class Strict(Callback):
        def state(self) -> dict[str, Any]:
            return {"word": "yes"}

        def load_state(self, state: dict[str, Any]) -> None:
            raise ValueError("I do not like it")

    path = tmp_path / "run.json"
    first = One(path, epochs=2, early={"patience": 5})
    first.callbacks.append(Strict())
    first.fit()
    run = One(path, early={"patience": 5})
    run.callbacks.append(Strict())
    # Strict refuses what was there before as well, which must not hide the error
    before = everything(run)
    with pytest.raises(CheckpointError, match="I do not like it"):
        run.fit(resume=path)
    assert everything(run) == before


def test_a_callback_that_refuses_halfway_gets_its_own_state_back(tmp_path: Path) -> None:
    class Halfway(Callback):
        def __init__(self, word: str) -> None:
            self.first = self.second = word

        def state(self) -> dict[str, Any]:
            return {"first": self.first, "second": self.second}

        def load_state(self, state: dict[str, Any]) -> None:
            self.first = state["first"]
            if state["second"] == "theirs":
                raise ValueError("not this one")
            self.second = state["second"]

    path = tmp_path / "run.json"
    first, run, ours = One(path, epochs=2), One(path), Halfway("ours")
    first.callbacks.append(Halfway("theirs"))
    first.fit()
    run.callbacks.append(ours)
    with pytest.raises(CheckpointError, match="not this one"):
        run.fit(resume=path)
    assert (ours.first, ours.second) == ("ours", "ours")


def test_an_edited_state_of_early_stopping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    One(path, epochs=2, early={"patience": 5}).fit()
    good = json.loads(path.read_text())
    for key, x in [
        ("best", "1"),
        ("best", []),
        ("best_epoch", -1),
        ("waited", 1.5),
        ("waited", True),
        ("parameters", 3),
    ]:
        content = json.loads(json.dumps(good))
        content["training"]["callbacks"][0][1][key] = x
        refused(content, path, key, lambda: One(path, early={"patience": 5}))
    content = json.loads(json.dumps(good))
    del content["training"]["callbacks"][0][1][key]
    refused(content, path, key, lambda: One(path, early={"patience": 5}))


def refused(content: Any, path: Path, words: str, make: Callable[[], One]) -> None:
    """A file with this content is refused with these words, and nothing is changed by it."""
    if not isinstance(content, str):  # without checksum, as one who edits a file on purpose does
        content = json.dumps({key: x for key, x in content.items() if key != "checksum"})
    path.write_text(content)
    run = make()
    before = everything(run)
    with pytest.raises(CheckpointError, match=words) as error:
        run.fit(resume=path)
    assert str(error.value).startswith(str(path))
    assert everything(run) == before


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a training that was interrupted in the middle of an epoch."""
    path = tmp_path_factory.mktemp("example") / "run.json"
    One(path, net=dropout_net, early={"patience": 5}, at=17).fit()
    return path.read_bytes()


def run_for(path: Path) -> One:
    return One(path, net=dropout_net, early={"patience": 5})


Change = Callable[[dict[str, Any]], object]
FIRST = "inner.layers.0.weight[0][0]"


def put(*keys: Any) -> Change:
    """Put the last of these where the others lead to."""

    def change(content: Any) -> None:
        *path, last, x = keys
        for key in path:
            content = content[key]
        content[last] = x

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("format"), "not a checkpoint"),
        (put("format", "picture"), "not a checkpoint"),
        (put("version", 2), "has version 2, and this program knows 1: update"),
        (put("version", 0), "has version 0, which never was"),
        (put("version", "1"), "version is '1', expected a whole number"),
        (put("version", True), "version is True"),
        (put("step", -1), "step is -1"),
        (put("step", 1.0), r"step is 1\.0"),
        (put("step", 99), "step 99 does not lie in epoch 2, of 3 steps each"),
        (put("step", 2), "step 2 does not lie in epoch 2"),
        (put("step", 5), "history has 4 step_losses, and this training would have 5"),
        (lambda c: c.pop("step"), "lacks 'step'"),
        (lambda c: c.pop("parameters"), "lacks 'parameters'"),
        (put("more", 1), "has 'more', which is unknown"),
        (put("parameters", [1.0]), "parameters are"),
        (put("parameters", FIRST, True), r"weight\[0\]\[0\] is True, expected a number"),
        (put("parameters", FIRST, None), r"weight\[0\]\[0\] is None"),
        (put("parameters", FIRST, "1.0"), r"weight\[0\]\[0\] is '1.0'"),
        (put("parameters", FIRST, [1.0]), r"weight\[0\]\[0\] is \[1.0\]"),
        (lambda c: c["parameters"].pop("inner.layers.0.bias[3]"), r"bias has 3 numbers in the file and 4 numbers here"),
        (put("parameters", "inner.layers.0.weight[4][0]", 1.0), r"weight has 5×2 numbers in the file and 4×2 numbers"),
        (put("parameters", "inner.layers.0.gain", 1.0), r"it has inner\.layers\.0\.gain, which this model lacks"),
        (lambda c: c.pop("optimizer"), "no training to resume"),
        (put("optimizer", "kind", "SGD"), "state of 'SGD', and the optimizer is Adam"),
        (put("optimizer", "means", 0, None), r"means\[0\] must be a number, got None"),
        (put("optimizer", "squares", 0, -1.0), r"squares\[0\] must be at least 0"),
        (lambda c: c["optimizer"]["means"].pop(), "means are those of 21 parameters"),
        (put("optimizer", "steps", -1), "steps must be a whole number"),
        (put("optimizer", []), "state of an optimizer is a dict"),
        (lambda c: c.pop("training"), "no training to resume"),
        (put("training", 3), "training should have epoch, examples"),
        (lambda c: c["training"].pop("sums"), "training should have"),
        (put("training", "epoch", 3), "step 4 does not lie in epoch 4"),
        (put("training", "epoch", "1"), "epoch is '1'"),
        (put("training", "order", [0, 1, 2, 3, 4, 5, 5]), "order is not every example's position, each once"),
        (put("training", "order", [0, 1, 2, 3, 4, 5]), "order is not every example's position"),
        (put("training", "order", []), "order is not every example's position"),
        (put("training", "order", [0, 1, 2, 3, 4, 5, 6.0]), "order is not every example's position"),
        (put("training", "order", ["0", 1, 2, 3, 4, 5, 6]), "order is not every example's position"),
        (put("training", "sums", [1.0]), "sums is"),
        (put("training", "sums", 0, "1"), r"sums\[0\] is '1'"),
        (put("training", "sums", 1, 8), r"sums\[1\] is 8, expected a whole number from 0 to 7"),
        (put("training", "history", "losses", 0, None), r"losses\[0\] is None"),
        (put("training", "history", "losses", 0, "infinite"), r"losses\[0\] is 'infinite'"),
        (put("training", "history", "losses", 0, ["inf"]), r"losses\[0\] is \['inf'\]"),
        (put("training", "history", "losses", 3), "history should have the lists"),
        (put("training", "history", "more", []), "history should have the lists"),
        (put("training", "callbacks", 3), "callbacks should be"),
        (put("training", "callbacks", 0, ["EarlyStopping"]), "callbacks should be"),
        (lambda c: c.pop("random"), "no training to resume"),
        (lambda c: c["random"].pop("rng of fit"), "random sources"),
        (put("random", 3), "random sources none"),
        (put("random", "module random", [3, [1, 2], None]), "state of module random is not one of"),
        (put("random", "rng of fit", 0, 4), "state of rng of fit"),
        (put("random", "rng of fit", 1, 0, -1), "state of rng of fit"),
        (put("random", "rng of fit", 1, 0, 2**32), "state of rng of fit"),
        (put("random", "rng of fit", 1, 624, 9999), "state of rng of fit"),
        (put("random", "rng of fit", 1, 0, 0.5), "state of rng of fit"),
        (put("random", "rng of fit", 2, "x"), "state of rng of fit"),
        (put("random", "rng of fit", None), "state of rng of fit"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(change: Change, words: str, example: bytes, tmp_path: Path) -> None:
    content, path = json.loads(example), tmp_path / "run.json"
    change(content)
    refused(content, path, words, lambda: run_for(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xff\xfe{", "not text in UTF-8"),
        (b"hello", "not JSON"),
        (b'{"format": 1,}', "not JSON"),
        (b"[1, 2]", "not a checkpoint"),
        (b"null", "not a checkpoint"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a": 1, "a": 2}', "it has 'a' twice"),
        (b'{"a": NaN}', "it holds NaN, which is not a finite number"),
        (b'{"a": -Infinity}', "it holds -Infinity"),
        (b'{"a": 1e999}', "it holds 1e999, which is not a finite number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of 5,000 digits"),
    ],
)
def test_what_is_no_checkpoint_is_said(text: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(text)
    model = MLP(2, [2], rng=random.Random(0))
    before = [p.data for p in model.parameters()]
    with pytest.raises(CheckpointError, match=words) as error:
        nn.load(path, model)
    assert str(error.value).startswith(str(path))
    assert [p.data for p in model.parameters()] == before


def test_duplicates_and_nan_within_a_real_file(example: bytes, tmp_path: Path) -> None:
    path, text = tmp_path / "run.json", example.decode()
    line = next(line for line in text.splitlines() if FIRST in line)
    name, number = line.rstrip(",").split(": ")
    refused(
        text.replace(line, f"{line}\n{line}"), path, r"it has 'inner.*weight\[0\]\[0\]' twice", lambda: run_for(path)
    )
    for word in ("NaN", "Infinity", "1e400"):
        refused(text.replace(line, f"{name}: {word},"), path, f"it holds {word}", lambda: run_for(path))
    refused(text.replace(line, f"{name}: {float(number) / 2},")[:-3], path, "ends in the middle", lambda: run_for(path))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = MLP(2, [2], rng=random.Random(0)), tmp_path / "run.json"
    nn.save(path, model)
    monkeypatch.setattr(checkpoint, "MOST_BYTES", path.stat().st_size - 6_000)
    nn.load(path, model)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CheckpointError, match=r"larger than [\d,]+ bytes, too large for a model of 6 parameters"):
        nn.load(path, model)


def test_every_truncation_is_refused(example: bytes, tmp_path: Path) -> None:
    path, model = tmp_path / "run.json", Linear(1, 1, rng=random.Random(0))
    optimizer = Adam(model.parameters())
    optimizer.step()
    nn.save(path, model, optimizer)
    whole = path.read_bytes()
    before = [p.data for p in model.parameters()], optimizer.state()
    for text, step in ((whole, 1), (example, 997)):
        for end in range(0, len(text), step):
            path.write_bytes(text[:end])
            with pytest.raises(CheckpointError, match=r"is empty|ends in the middle|not JSON"):
                nn.load(path, model, optimizer)
    assert ([p.data for p in model.parameters()], optimizer.state()) == before
    path.write_bytes(whole)
    nn.load(path, model, optimizer)


@pytest.mark.slow
def test_every_truncation_of_a_training_is_refused(example: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run = run_for(path)
    before = everything(run)
    for end in range(len(example)):
        path.write_bytes(example[:end])
        with pytest.raises(CheckpointError):
            run.fit(resume=path)
    assert everything(run) == before


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=100)
def test_a_damaged_byte_changes_all_or_nothing(
    example: bytes, tmp_path_factory: pytest.TempPathFactory, place: float, byte: int
) -> None:
    """A byte of a number may well give another number; but never is a part assigned and the rest not."""
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    data = bytearray(example)
    data[int(place * len(data))] = byte
    path.write_bytes(data)
    run = run_for(path)
    run.keywords["epochs"] = 2
    before = everything(run)
    try:
        run.fit(resume=path)
    except CheckpointError:
        assert everything(run) == before
    else:
        assert run.optimizer.steps >= 5 or data != example


# ---- a model and its optimiser alone ---------------------------------------------------------------------------------


def test_saved_and_loaded_is_the_same_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    model = MLP(2, [3, 2], rng=random.Random(0))
    values = [5e-324, -0.0, 1.7976931348623157e308, 0.1, -1 / 3, math.pi, 2.0**-1074 * 3]
    for p, x in zip(model.parameters(), values, strict=False):
        p.data = x
    optimizer = Adam(model.parameters())
    optimizer.step()
    for p, x in zip(model.parameters(), values, strict=False):
        p.data = x
    assert nn.save(path, model, optimizer) == str(path)
    other = MLP(2, [3, 2], rng=random.Random(1))
    beside = Adam(other.parameters())
    nn.load(path, other, beside)
    assert [p.data.hex() for p in other.parameters()] == [p.data.hex() for p in model.parameters()]
    assert beside.state() == optimizer.state()
    third = MLP(2, [3, 2], rng=random.Random(2))
    nn.load(os.fsencode(path), third)
    assert [p.data.hex() for p in third.parameters()] == [p.data.hex() for p in model.parameters()]


PLAIN_FILE = """"step": 0,
"parameters": {
  "weight[0][0]": 0.5,
  "weight[0][1]": 1.5,
  "bias[0]": 2.5
},
"optimizer": {
  "kind": "SGD",
  "steps": 0,
  "settings": {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.0, "nesterov": false},
  "velocities": [0.0, 0.0, 0.0]
}}"""


def test_the_file_can_be_read_by_a_student(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    model = Linear(2, 1, rng=random.Random(0))
    for k, p in enumerate(model.parameters()):
        p.data = k + 0.5
    nn.save(path, model, SGD(model.parameters(), lr=0.1))
    beginning, checked, rest = path.read_text().partition(f'"checksum": {zlib.crc32(PLAIN_FILE.encode())},\n')
    assert checked and rest == PLAIN_FILE
    assert beginning == '{"format": "scalar-autograd checkpoint",\n"version": 1,\n'


def test_a_training_s_file_gives_its_model(example: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(example)
    run = run_for(path)
    random_before = random.getstate()
    nn.load(path, run.model)
    assert random.getstate() == random_before
    stored = json.loads(example)["parameters"]
    assert {name: p.data for name, p in run.model.named_parameters()} == stored
    assert run.optimizer.steps == 0
    nn.load(path, run.model, run.optimizer)
    assert run.optimizer.steps == json.loads(example)["step"] == 4


def test_a_file_without_an_optimizer(tmp_path: Path) -> None:
    path, model = tmp_path / "model.json", Linear(2, 1, rng=random.Random(0))
    nn.save(path, model)
    with pytest.raises(CheckpointError, match="holds no state of an optimizer: load the model alone"):
        nn.load(path, model, Adam(model.parameters()))


def test_parameters_that_only_the_optimizer_knows(tmp_path: Path) -> None:
    path, model, extra = tmp_path / "model.json", Linear(1, 1, rng=random.Random(0)), Value(7.0)
    nn.save(path, model, SGD([*model.parameters(), extra], lr=0.1))
    assert json.loads(path.read_text())["parameters"]["optimizer.parameters[2]"] == 7.0
    extra.data = 8.0
    nn.load(path, model)
    assert extra.data == 8.0
    nn.load(path, model, SGD([*model.parameters(), extra], lr=0.1))
    assert extra.data == 7.0


@pytest.mark.parametrize("x", [math.nan, math.inf, Fraction(1, 3), 1 + 2j, True, None, "1"])
def test_what_cannot_be_saved_is_named_and_the_old_file_kept(x: Any, tmp_path: Path) -> None:
    path, model = tmp_path / "model.json", Linear(2, 1, rng=random.Random(0))
    nn.save(path, model)
    before = path.read_bytes()
    model.weight[0][1].data = x
    with pytest.raises(CheckpointError, match=r"weight\[0\]\[1\] is .*finite numbers only: nothing was saved"):
        nn.save(path, model)
    assert path.read_bytes() == before
    model.weight[0][1].data = 0.0
    optimizer = SGD(model.parameters(), lr=0.1)
    optimizer.velocities[2] = math.nan
    with pytest.raises(CheckpointError, match=r"optimizer\.velocities\[2\] is nan"):
        nn.save(path, model, optimizer)
    assert os.listdir(tmp_path) == ["model.json"]


# ---- files -----------------------------------------------------------------------------------------------------------


def test_only_a_checkpoint_is_replaced(tmp_path: Path) -> None:
    path, model = tmp_path / "digits.csv", Linear(2, 1, rng=random.Random(0))
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FileExistsError, match=r"not a checkpoint, and is not replaced.*digits\.csv"):
        nn.save(path, model)
    before = [p.data for p in model.parameters()]
    with pytest.raises(FileExistsError):
        fit(model, [[1.0, 1.0]], [1.0], loss=half_squared_error, progress=False, callbacks=SaveCheckpoint(path))
    assert path.read_text() == "a,b\n1,2\n"
    assert [p.data for p in model.parameters()] == before
    path.write_text("")
    nn.save(path, model)
    nn.save(path, model)
    with pytest.raises(IsADirectoryError, match=r"is a folder|Is a directory"):
        nn.save(tmp_path, model)
    with pytest.raises(FileNotFoundError, match="no folder"):
        nn.save(tmp_path / "no" / "model.json", model)


@pytest.mark.parametrize("name", ["no/run.json", "."])
def test_what_is_bound_to_fail_is_said_before_training(name: str, tmp_path: Path) -> None:
    run = One(tmp_path / name)
    before = everything(run)
    with pytest.raises(OSError, match=r"folder|directory"):
        run.fit()
    assert everything(run)[:2] == before[:2]
    assert run.model.calls == 0


def test_a_source_without_a_state_is_refused_before_training(tmp_path: Path) -> None:
    run = One(tmp_path / "run.json")
    run.keywords["rng"] = random.SystemRandom()
    with pytest.raises(CheckpointError, match=r"the state of rng of fit, .*SystemRandom.* cannot be kept"):
        run.fit()
    run.callbacks = []
    assert len(run.fit().losses) == 4


def test_a_full_disk_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole = tmp_path / "run.json", One(tmp_path / "whole.json")
    whole.fit()
    written = []

    def write(target: Any, text: str) -> str:
        written.append(run.history_length())
        if 2 <= len(written) <= 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return real(target, text)

    class Counted(One):
        def history_length(self) -> int:
            return self.optimizer.steps

    real = checkpoint.write_file
    monkeypatch.setattr(checkpoint, "write_file", write)
    run = Counted(path)
    with pytest.warns(
        TrainingWarning, match=r"the checkpoint was not saved: .*No space left.*Training goes on"
    ) as warned:
        run.fit()
    assert len(warned) == 1  # the same is said once
    assert written == [3, 6, 9, 12]
    assert json.loads(path.read_text())["step"] == 12
    assert run.history.messages == [str(warned[0].message)]
    assert run.history.losses == whole.history.losses


def test_saving_that_fails_to_the_end_is_tried_again_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def write(target: Any, text: str) -> str:
        tried.append(json.loads(text)["step"])
        raise OSError(errno.EIO, "Input/output error", str(target))

    monkeypatch.setattr(checkpoint, "write_file", write)
    run = One(tmp_path / "run.json", epochs=2)
    with pytest.warns(TrainingWarning, match="Input/output error"):
        run.fit()
    assert tried == [3, 6, 6]
    assert len(run.history.losses) == 2


def test_an_old_file_survives_a_training_that_takes_no_step(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    One(path, epochs=2).fit()
    before = path.read_bytes()
    assert One(path, at=2).fit().interrupted
    assert path.read_bytes() == before


@pytest.mark.parametrize("every", [0, -1, 1.5])
def test_every_steps_is_checked(every: Any) -> None:
    with pytest.raises(ValueError, match="every_steps must be a whole number"):
        SaveCheckpoint("run.json", every)


def test_saved_every_so_many_steps(tmp_path: Path) -> None:
    path, steps = tmp_path / "run.json", list[int]()

    class Seen(SaveCheckpoint):
        def save(self, training: Training) -> None:
            super().save(training)
            steps.append(json.loads(path.read_text())["step"])

    for every, expected in ((None, [3, 6, 9, 12]), (5, [5, 10, 12]), (4, [4, 8, 12, 12]), (100, [12])):
        steps.clear()
        run = One(path)
        run.callbacks = [Seen(path, every)]
        run.fit()
        assert steps == expected


PROGRAM = """
import random, sys
import nn
model = nn.MLP(8, [16, 8], rng=random.Random(0))
optimizer = nn.Adam(model.parameters())
print("begun", flush=True)
step = 0
while True:
    step += 1
    optimizer.steps = step
    for p in model.parameters():
        p.data = float(step)
    nn.save(sys.argv[1], model, optimizer)
"""


def test_killed_while_saving_the_file_is_whole(tmp_path: Path) -> None:
    path, rng, seen = tmp_path / "model.json", random.Random(0), set()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path)], env=environment, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 30
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.02))
            process.kill()
        model = MLP(8, [16, 8], rng=random.Random(0))
        optimizer = Adam(model.parameters())
        nn.load(path, model, optimizer)
        assert {p.data for p in model.parameters()} == {float(optimizer.steps)}
        seen.add(optimizer.steps)
    assert seen


FILES = ("/nn/checkpoint.py", "/nn/interrupts.py", "/nn/optim.py")


def test_ctrl_c_while_loading_leaves_all_or_nothing(tmp_path: Path) -> None:
    path, model = tmp_path / "model.json", Linear(2, 1, rng=random.Random(0))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.5)
    for p in model.parameters():
        p.data = 1.0
    optimizer.velocities, optimizer.steps = [1.0] * 3, 1
    nn.save(path, model, optimizer)

    def press() -> None:
        signal.raise_signal(signal.SIGINT)

    total = 100_000 - at_line(100_000, lambda: None, lambda: nn.load(path, model, optimizer), FILES)[1]
    seen, handler = set(), signal.getsignal(signal.SIGINT)
    for at in range(1, total + 1):
        for p in model.parameters():
            p.data = 0.0
        optimizer.velocities, optimizer.steps = [0.0] * 3, 0
        with pytest.raises(KeyboardInterrupt):
            at_line(at, press, lambda: nn.load(path, model, optimizer), FILES)
        numbers = {p.data for p in model.parameters()} | set(optimizer.velocities) | {optimizer.steps}
        assert len(numbers) == 1
        seen |= numbers
        assert signal.getsignal(signal.SIGINT) is handler
    assert seen == {0.0, 1.0}


@pytest.fixture(autouse=True)
def _random_is_left_alone() -> Iterator[None]:
    state = random.getstate()
    yield
    random.setstate(state)


def test_a_changed_digit_is_noticed_and_a_change_on_purpose_is_not(tmp_path: Path) -> None:
    path, model = tmp_path / "model.json", Linear(1, 1)
    model.weight[0][0].data = 0.25
    nn.save(path, model)
    changed = path.read_text().replace("0.25", "0.75")
    path.write_text(changed)
    with pytest.raises(CheckpointError, match=r"the checksum differs: .* delete the line"):
        nn.load(path, model)
    assert model.weight[0][0].data == 0.25
    path.write_text("".join(line for line in changed.splitlines(True) if not line.startswith('"checksum"')))
    nn.load(path, model)
    assert model.weight[0][0].data == 0.75


@pytest.mark.parametrize("other", [([[0.0], [2.0]], [0.0, 1.0]), ([[0.0], [1.0]], [0.0, 2.0])])
def test_other_data_are_not_resumed_with(tmp_path: Path, other: tuple[Any, Any]) -> None:
    def train(examples: Any, targets: Any, **how: Any) -> History:
        model = Linear(1, 1, init="zeros")
        return fit(model, examples, targets, loss=nn.half_squared_error, checks=False, progress=False, **how)

    path = tmp_path / "run.json"
    train([[0.0], [1.0]], [0.0, 1.0], epochs=1, callbacks=SaveCheckpoint(path))
    assert len(train([[0.0], [1.0]], [0.0, 1.0], epochs=2, resume=path).losses) == 2
    with pytest.raises(CheckpointError, match="other examples or targets"):
        train(*other, epochs=2, resume=path)


def test_the_path_comes_first(tmp_path: Path) -> None:
    model = Linear(1, 1)
    for function in (nn.save, nn.load):
        with pytest.raises(TypeError, match=r"takes the path first"):
            function(model, tmp_path / "model.json")
