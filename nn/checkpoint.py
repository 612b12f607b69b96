"""Checkpoints: a model and how far its training is, in one JSON file that can be read, checked and trusted.

    nn.save("model.json", model)                                     a trained model
    nn.load("model.json", model)                                     into a model of the same sizes
    fit(model, ..., callbacks=[nn.SaveCheckpoint("run.json")])       a training
    fit(model, ..., resume="run.json")                               goes on as if it had never stopped, bit for bit

A file is written whole or not at all, and checked wholly before anything is assigned. It is never executed: no pickle.

    format, version   "scalar-autograd checkpoint", 1
    checksum          CRC-32 of all that comes after its line; without that line nothing is compared
    step              whole steps so far
    parameters        name -> number, as `model.named_parameters()` has them
    optimizer         what `optimizer.state()` gives
    training          epoch, fingerprint of the data, order and sums of the epoch under way, history, states of callbacks; and
                      why batches are no longer replayed, if they are not
    random            states of the random sources: the module `random`, fit's `rng` and every random.Random in the model
"""

from __future__ import annotations

import errno
import json
import math
import os
import random
import re
import signal
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from autograd import Value
from autograd.files import check, write_file
from nn.callbacks import Callback
from nn.interrupts import WHOLE, Interrupts
from nn.module import Module
from nn.optim import Optimizer
from nn.words import counted

if TYPE_CHECKING:
    from nn.train import History, Training

__all__ = ["CheckpointError", "SaveCheckpoint", "load", "save"]

Path = str | bytes | os.PathLike[str]
Task = tuple[Callable[[Any], object], Any, Any]  # what takes over a state, the state, and the former one

FORMAT, VERSION = "scalar-autograd checkpoint", 1
BEGINNING = f'{{"format": "{FORMAT}"'  # by this a checkpoint is known again, also if the rest is damaged
MOST_BYTES, BYTES_PER_PARAMETER = 50_000_000, 1_000  # a larger file is not read
KEYS = {"format", "version", "checksum", "step", "parameters", "optimizer", "training", "random"}
SPECIAL = {"inf", "-inf", "nan"}  # what a measured loss may be, as texts since JSON has no such numbers


class CheckpointError(ValueError):
    """A file that cannot be loaded, or a state that cannot be saved; nothing was changed."""


def save(path: Path, model: Module, optimizer: Optimizer | None = None, training: Training | None = None) -> str:
    """Write a checkpoint and return its path. An older checkpoint there is replaced only when the new one is all written.

    training  what a callback gets: with it the file can be resumed from (its optimizer is then saved too)

    Raises CheckpointError, naming it, for something that is not a finite number, and OSError if the file cannot be
    written or what stands there is not a checkpoint.
    """
    if isinstance(path, Module):
        raise TypeError("save(path, model) takes the path first")
    text = as_text(model, optimizer, training)
    check_replaceable(path)
    return write_file(path, text)


def load(path: Path, model: Module, optimizer: Optimizer | None = None) -> None:
    """Give a model the parameters, and an optimizer the state, of a checkpoint.

    Raises FileNotFoundError, or another OSError, if there is no such file; CheckpointError, saying what was found and
    what to do, if it is not what `save` wrote for such a model. After an error everything is as it was.
    """
    if isinstance(path, Module):
        raise TypeError("load(path, model) takes the path first")
    name, content = os.fsdecode(path), read(path, len(model.named_parameters()))
    with blaming(name):
        assign(content, model, optimizer)


def resume(path: Path, training: Training) -> None:
    """Put a training that has not begun where a checkpoint of it was. Raises what `load` raises."""
    name, content = os.fsdecode(path), read(path, len(training.model.named_parameters()))
    with blaming(name):
        if "training" not in content or "random" not in content or "optimizer" not in content:
            raise CheckpointError(
                "it holds a model, but no training to resume: load it with nn.load(path, model), or save with SaveCheckpoint"
            )
        assign(content, training.model, training.optimizer, training)


class SaveCheckpoint(Callback):
    """Keep the training in a file, from which `fit(..., resume=path)` goes on.

    path         an older checkpoint there is replaced; anything else is refused before training begins
    every_steps  save after so many steps; by default after each epoch

    It also saves at the end, if Ctrl-C or an error ended the training too: the last whole step is in the file. The parameters
    are then those of that step, not those that `EarlyStopping` brings back (`nn.save(path, model)` keeps these).

    If saving fails while training (a full disk), training goes on: there is a warning, it is in `history.messages`, and
    saving is tried again the next time. What is bound to fail, such as a missing folder, is raised before the first step.
    """

    def __init__(self, path: Path, every_steps: int | None = None) -> None:
        if every_steps is not None and (not isinstance(every_steps, int) or every_steps < 1):
            raise ValueError(f"every_steps must be a whole number of at least 1, got {every_steps!r}")
        self.path, self.every_steps = path, every_steps
        self.saved: tuple[int, int] | None = None  # step and epoch of what is in the file

    def __repr__(self) -> str:
        return f"SaveCheckpoint({os.fsdecode(self.path)!r})"

    def on_start(self, training: Training) -> None:
        as_text(training.model, training.optimizer, training)
        check_replaceable(self.path)
        self.saved, self.said = (training.step, training.epoch), ""

    def on_step(self, training: Training) -> None:
        if self.every_steps is not None and training.step % self.every_steps == 0:
            self.save(training)

    def on_epoch(self, training: Training) -> None:
        if self.every_steps is None:
            self.save(training)

    def on_end(self, training: Training) -> None:
        if self.saved != (training.step, training.epoch):
            self.save(training)

    def save(self, training: Training) -> None:
        """Save, or warn that it failed."""
        try:
            save(self.path, training.model, training.optimizer, training)
            self.saved, self.said = (training.step, training.epoch), ""
        except (OSError, CheckpointError) as error:
            message = f"the checkpoint was not saved: {error}. Training goes on; saving is tried again"
            if message != self.said:
                from nn.doctor import TrainingWarning

                self.said = message
                training.history.messages.append(message)
                warnings.warn(message, TrainingWarning, stacklevel=2)


def check_replaceable(path: Path) -> None:
    """Raise OSError if a checkpoint cannot be written there, or something else would be lost."""
    target = os.path.realpath(os.fsdecode(path))
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, f"{os.strerror(errno.EISDIR)}: give the name of a file in it", path)
    if os.path.exists(target) and not os.path.isfile(target):
        return  # a pipe or a device
    check(os.path.dirname(target), target)
    if os.path.exists(target):
        with open(target, "rb") as file:
            if file.read(len(BEGINNING)) not in (BEGINNING.encode(), b""):
                raise FileExistsError(
                    errno.EEXIST, "this file is not a checkpoint, and is not replaced: give another name", path
                )


def random_sources(model: Module, rng: Any) -> dict[str, Any]:
    """Those of the candidates whose state can be kept."""
    return {name: source for name, source in candidates(model, rng).items() if state_of(source) is not None}


def candidates(model: Module, rng: Any) -> dict[str, Any]:
    """Name -> source of random numbers, each once, under its first name."""
    named = [("module random", random), ("rng of fit", rng)]
    for path, part in model.named_modules():
        for key, x in vars(part).items():
            if isinstance(x, random.Random) or key == "rng":
                named.append((f"{path}.{key}" if path else key, x))
    found: dict[str, Any] = {}
    for name, source in named:
        if source is not None and all(source is not other for other in found.values()):
            found[name] = source
    return found


def state_of(source: Any) -> Any:
    """Its state, or None for one that cannot tell it, such as random.SystemRandom."""
    with suppress(NotImplementedError, AttributeError):
        return source.getstate()
    return None


# ---- writing ---------------------------------------------------------------------------------------------------------


def as_text(model: Module, optimizer: Optimizer | None, training: Training | None) -> str:
    """The file's text: each section, parameter and random state on a line of its own."""
    if training is not None:
        optimizer = optimizer or training.optimizer
    content: dict[str, Any] = {
        "step": training.step if training is not None else optimizer.steps if optimizer is not None else 0,
        "parameters": {name: number(name, p.data) for name, p in named(model, optimizer)},
    }
    if optimizer is not None:
        content["optimizer"] = plain("optimizer", optimizer.state())
    if training is not None:
        content["training"] = plain("training", training_state(training))
        content["random"] = random_states(training)
    text = ",\n".join(f'"{key}": {lines(part)}' for key, part in content.items()) + "}"
    return f'{BEGINNING},\n"version": {VERSION},\n"checksum": {zlib.crc32(text.encode())},\n{text}'


def lines(part: Any) -> str:
    if not isinstance(part, dict):
        return json.dumps(part)
    inner = (f"  {json.dumps(key)}: {json.dumps(x, allow_nan=False)}" for key, x in part.items())
    return "{\n" + ",\n".join(inner) + "\n}"


def named(model: Module, optimizer: Optimizer | None) -> list[tuple[str, Value]]:
    """The model's parameters, and any others that the optimizer steps, with a name each."""
    found = model.named_parameters()
    known = {id(parameter) for _, parameter in found}
    others = enumerate(optimizer.parameters if optimizer is not None else ())
    return found + [(f"optimizer.parameters[{i}]", parameter) for i, parameter in others if id(parameter) not in known]


def number(where: str, x: Any) -> float:
    """A finite float, or an error that names it."""
    if isinstance(x, bool) or not isinstance(x, float | int) or not math.isfinite(x):
        raise CheckpointError(f"{where} is {x!r:.80}, and a checkpoint holds finite numbers only: nothing was saved")
    return float(x)


def plain(where: str, x: Any) -> Any:
    """What JSON can hold and give back as it was, or an error that names what it cannot."""
    if isinstance(x, dict) and all(type(key) is str for key in x):
        return {key: plain(f"{where}.{key}", inner) for key, inner in x.items()}
    if isinstance(x, list | tuple):
        return [plain(f"{where}[{i}]", inner) for i, inner in enumerate(x)]
    if x is None or type(x) in (bool, str, int):
        return x
    return number(where, x)


def training_state(training: Training) -> dict[str, Any]:
    history = training.history
    return {
        "epoch": training.epoch,
        "examples": len(training.examples),
        "batch_size": training.batch_size,
        "data": training.fingerprint,
        "order": training.order,
        "sums": list(training.sums),
        "history": {key: figures_as_json(getattr(history, key)) for key in lists_of(history)},
        "callbacks": [[type(one).__name__, state] for one in training.callbacks if (state := one.state())],
        **({"replay": history.replay} if history.replay and training.replay is not False else {}),
    }


def fingerprint(examples: Sequence[Any], targets: Sequence[Any]) -> int | None:
    """CRC-32 of the data, by which they are known again; None of what is not numbers, texts and lists of them."""
    try:
        return zlib.crc32(json.dumps([list(examples), list(targets)]).encode())
    except (TypeError, ValueError):
        return None


def lists_of(history: History) -> list[str]:
    return [field.name for field in fields(history) if isinstance(getattr(history, field.name), list)]


def figures_as_json(figures: list[Any]) -> list[Any]:
    return [str(x) if isinstance(x, float) and not math.isfinite(x) else x for x in figures]


def random_states(training: Training) -> dict[str, Any]:
    """The states of the random sources, of the moment to which the file goes back: before what is under way."""
    for name, source in candidates(training.model, training.rng).items():
        if name not in training.sources:
            raise CheckpointError(
                f"the state of {name}, {source!r:.80}, cannot be kept: use a random.Random(seed), or save without training"
            )
    now = {name: source.getstate() for name, source in training.sources.items()}
    return {name: list(state) for name, state in (training.settled or now).items()}


# ---- reading ---------------------------------------------------------------------------------------------------------


class blaming:
    """Name the file in every CheckpointError of the block."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CheckpointError):
            raise CheckpointError(f"{self.name}: {error}") from error.__cause__


def read(path: Path, parameters: int) -> dict[str, Any]:
    """What stands in a checkpoint, as far as it can be checked without a model."""
    most = MOST_BYTES + BYTES_PER_PARAMETER * parameters
    with open(path, "rb") as file:
        data = file.read(most + 1)
    with blaming(os.fsdecode(path)):
        if len(data) > most:
            raise CheckpointError(
                f"it is larger than {most:,} bytes, too large for a model of {counted(parameters, 'parameter')}"
            )
        content = parsed(data)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointError("it is JSON, but not a checkpoint: give a file that nn.save or SaveCheckpoint wrote")
        version = whole("version", content.get("version"))
        if version > VERSION:
            raise CheckpointError(f"it has version {version}, and this program knows {VERSION}: update scalar-autograd")
        if version < 1:
            raise CheckpointError(f"it has version {version}, which never was: it is damaged, take another copy")
        for key in ("step", "parameters"):
            if key not in content:
                raise damaged(f"it lacks {key!r}")
        for key in content:
            if key not in KEYS:
                raise damaged(f"it has {key!r}, which is unknown")
        whole("step", content["step"])
        if not isinstance(content["parameters"], dict):
            raise damaged(f"its parameters are {content['parameters']!r:.80}, not names with numbers")
        if "checksum" in content:
            rest = data[data.find(b"\n", data.find(b'"checksum"')) + 1 :]
            content["intact"] = content.pop("checksum") == zlib.crc32(rest)
    return content


def damaged(what: str) -> CheckpointError:
    return CheckpointError(f"{what}: it is damaged or was changed, take another copy")


def parsed(data: bytes) -> Any:
    """The JSON in a file, without what Python's reader lets pass: NaN, numbers that become inf, one key twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise damaged(f"it has {twice!r:.80} twice")
        return found

    def refused(word: str) -> Any:
        raise damaged(f"it holds {word}, which is not a finite number")

    def finite(word: str) -> float:
        return x if math.isfinite(x := float(word)) else refused(f"{word:.40}")

    def integer(word: str) -> int:
        return int(word) if len(word) <= 300 else refused(f"a number of {len(word):,} digits")

    if not data.strip():
        raise damaged("it is empty")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(f"it is not text in UTF-8 (byte {error.start:,})") from None
    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refused, parse_float=finite, parse_int=integer)
    except json.JSONDecodeError as error:
        if text.startswith(BEGINNING[: len(text)]) and not text.rstrip().endswith("}"):
            raise damaged(f"it ends in the middle, after {len(data):,} bytes") from None
        raise CheckpointError(
            f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg}): "
            "give a file that nn.save or SaveCheckpoint wrote"
        ) from None
    except RecursionError:
        raise damaged("lists stand in lists too deeply") from None


def whole(name: str, x: Any, most: float = math.inf) -> int:
    if type(x) is not int or not 0 <= x <= most:
        limit = "" if math.isinf(most) else f" to {most:.0f}"
        raise damaged(f"{name} is {x!r:.80}, expected a whole number from 0{limit or ' on'}")
    return x


def real(name: str, x: Any) -> float:
    if type(x) not in (float, int):
        raise damaged(f"{name} is {x!r:.80}, expected a number")
    return float(x)


def assign(
    content: dict[str, Any], model: Module, optimizer: Optimizer | None, training: Training | None = None
) -> None:
    """Check everything; then assign everything, or nothing if an optimizer or a callback refuses its part."""
    owners = named(model, optimizer)
    if optimizer is None:  # those of an optimizer are left out with it
        content["parameters"] = {k: x for k, x in content["parameters"].items() if not k.startswith("optimizer.")}
    compare(content["parameters"], [name for name, _ in owners])
    numbers = [real(name, content["parameters"][name]) for name, _ in owners]
    tasks: list[Task] = []
    if optimizer is not None:
        if "optimizer" not in content:
            raise CheckpointError("it holds no state of an optimizer: load the model alone, nn.load(path, model)")
        tasks.append((optimizer.load_state, content["optimizer"], optimizer.state()))
    finish: Callable[[], None] = lambda: None
    if training is not None:
        more, finish = progress(content, training)
        tasks += more
    if not content.get("intact", True):  # said last: whatever else is wrong says more
        raise CheckpointError(
            "it is not what was saved, since the checksum differs: it is damaged, take another copy; if you changed it on "
            'purpose, delete the line "checksum"'
        )
    done: list[tuple[Callable[[Any], object], Any]] = []
    with Interrupts(WHOLE) as interrupts:
        try:
            for take, state, former in tasks:
                done.append((take, former))
                take(state)
        except BaseException as error:
            for take, former in reversed(done):
                with suppress(Exception):  # one that takes nothing back either
                    take(former)
            if not isinstance(error, Exception):
                raise
            raise CheckpointError(f"{error if isinstance(error, ValueError) else repr(error)}") from error
        for (_, parameter), x in zip(owners, numbers, strict=True):
            parameter.data = x
        finish()
    if interrupts.waiting:
        signal.raise_signal(signal.SIGINT)


def compare(stored: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise CheckpointError, each with its own words, for other shapes, missing names, and names too many."""
    if stored.keys() == set(names):
        return
    theirs, ours = shapes(stored), shapes(names)
    other = [
        f"{stem} has {theirs[stem]} in the file and {ours[stem]} here"
        for stem in ours
        if stem in theirs and theirs[stem] != ours[stem]
    ]
    advice = "make the model with the layers and sizes that it had when it was saved"
    if other:
        raise CheckpointError(f"its shapes are not those of this model: {some(other)}; {advice}")
    missing, extra = [name for name in names if name not in stored], [name for name in stored if name not in set(names)]
    found = [f"it lacks {some(missing)}, which this model has"] if missing else []
    found += [f"it has {some(extra)}, which this model lacks"] if extra else []
    raise CheckpointError(f"{'; '.join(found)}; {advice}")


def shapes(names: Iterable[str]) -> dict[str, str]:
    """What each list or array of parameters is called, and its sizes: "layers.0.weight" -> "16×64 numbers"."""
    places: dict[str, list[list[int]]] = {}
    for name in names:
        stem, indices = re.fullmatch(r"(.*?)((?:\[[^\[\]]*\])*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
        places.setdefault(stem, []).append([int(digits) for digits in re.findall(r"\d{1,9}", indices)])
    found = {}
    for stem, indices in places.items():
        if len({len(index) for index in indices}) > 1 or not indices[0]:
            found[stem] = counted(len(indices), "number")
        else:
            found[stem] = f"{'×'.join(str(max(column) + 1) for column in zip(*indices, strict=True))} numbers"
    return found


def some(words: Sequence[str], most: int = 3) -> str:
    more = f" (and {len(words) - most:,} more)" if len(words) > most else ""
    return ", ".join(f"{word:.120}" for word in words[:most]) + more


def progress(content: dict[str, Any], training: Training) -> tuple[list[Task], Callable[[], None]]:
    """How far a training was, checked: what its callbacks take over, and a function that assigns the rest, without fail."""
    state, step, per_epoch = content["training"], content["step"], training.history.steps_per_epoch
    keys = ("epoch", "examples", "batch_size", "data", "order", "sums", "history", "callbacks")
    if not isinstance(state, dict) or set(state) - {"replay"} != set(keys):
        raise damaged(f"training should have {', '.join(keys)}")
    for key, given in (("examples", len(training.examples)), ("batch_size", training.batch_size)):
        if whole(key, state[key]) != given:
            raise CheckpointError(
                f"it was saved with {key} = {state[key]}, and here it is {given}: resume with the same data and batch_size"
            )
    if None not in (state["data"], training.fingerprint) and state["data"] != training.fingerprint:
        raise CheckpointError(
            "it was saved with other examples or targets: resume with the same data, made by the same seed"
        )
    epoch = whole("epoch", state["epoch"])
    if not epoch * per_epoch <= step <= (epoch + 1) * per_epoch:
        raise damaged(f"step {step} does not lie in epoch {epoch + 1}, of {counted(per_epoch, 'step')} each")
    if step > training.epochs * per_epoch:
        raise CheckpointError(
            f"it holds {counted(step, 'step')}, more than epochs={training.epochs} has: epochs counts from the beginning"
        )
    order, sums = state["order"], state["sums"]
    everything = list(range(len(training.examples)))
    begun = bool(order) or step > epoch * per_epoch
    if type(order) is not list or (begun and not is_order(order, everything)):
        raise damaged("order is not every example's position, each once")
    if type(sums) is not list or len(sums) != 2:
        raise damaged(f"sums is {sums!r:.80}, expected two numbers")
    total, right = real("sums[0]", sums[0]), whole("sums[1]", sums[1], len(everything))
    history = checked_history(state["history"], training, step, epoch)
    tasks = checked_callbacks(state["callbacks"], training.callbacks)
    states = checked_random(content["random"], training.sources)

    def finish() -> None:
        training.step, training.epoch, training.order, training.sums = step, epoch, order, (total, right)
        vars(training.history).update(history)
        training.history.replay = training.history.replay or str(state.get("replay", ""))
        for name, source in training.sources.items():
            source.setstate(states[name])

    return tasks, finish


def is_order(order: list[Any], everything: list[int]) -> bool:
    return all(type(i) is int for i in order) and sorted(order) == everything


def checked_history(stored: Any, training: Training, step: int, epoch: int) -> dict[str, list[Any]]:
    keys = lists_of(training.history)
    if not isinstance(stored, dict) or set(stored) != set(keys) or any(type(x) is not list for x in stored.values()):
        raise damaged(f"history should have the lists {', '.join(keys)}")
    validation, correct = training.validation is not None, training.correct is not None
    lengths = {
        "step_losses": step,
        "losses": epoch,
        "accuracies": epoch * correct,
        "validation_losses": epoch * validation,
        "validation_accuracies": epoch * (validation and correct),
    }
    for key, length in lengths.items():
        if len(stored[key]) != length:
            raise CheckpointError(
                f"its history has {len(stored[key])} {key}, and this training would have {length}: "
                "resume with the same loss, and with validation data if there were any"
            )
    found: dict[str, list[Any]] = {
        key: [
            float(x) if type(x) is str and x in SPECIAL else real(f"{key}[{i}]", x) for i, x in enumerate(stored[key])
        ]
        for key in lengths
    }
    found["messages"] = [str(message) for message in stored["messages"]]
    return found


def checked_callbacks(stored: Any, callbacks: Sequence[Callback]) -> list[Task]:
    """Each callback with the state that the file has for one of its class, the first for the first, and so on."""
    if type(stored) is not list or not all(
        type(one) is list and len(one) == 2 and type(one[0]) is str and type(one[1]) is dict for one in stored
    ):
        raise damaged("callbacks should be a list of names and states")
    left, tasks = list(stored), list[Task]()
    for callback in callbacks:
        found = next((one for one in left if one[0] == type(callback).__name__), None)
        if found is not None:
            left.remove(found)
            tasks.append((callback.load_state, found[1], callback.state()))
    return tasks


def checked_random(stored: Any, sources: dict[str, Any]) -> dict[str, Any]:
    """The states of the random sources, each tried on a source of its own."""
    if not isinstance(stored, dict) or stored.keys() != sources.keys():
        names = some(list(stored)) if isinstance(stored, dict) else "none"
        raise CheckpointError(
            f"it has the states of the random sources {names}, and this training has {some(list(sources))}: "
            "resume with the same model, and with rng= if there was one"
        )
    states = {}
    for name, state in stored.items():
        try:
            version, numbers, gauss = state
            if not all(type(x) is int and 0 <= x < 2**32 for x in numbers):
                raise ValueError
            states[name] = version, tuple(numbers), None if gauss is None else real("gauss", gauss)
            random.Random().setstate(states[name])
        except (TypeError, ValueError, OverflowError):
            raise damaged(f"the state of {name} is not one of random.Random") from None
    return states
