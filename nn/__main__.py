"""`python -m nn demo` and `python -m nn train FILE.csv --target COLUMN`: learn, test, and write a report."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import random
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Sequence

from nn import checkpoint
from nn.activations import ACTIVATIONS
from nn.checkpoint import CheckpointError, SaveCheckpoint
from nn.data import DataError, Dataset, Standardizer, load_csv, load_digits, load_iris, split
from nn.doctor import TrainingWarning
from nn.losses import half_squared_error, softmax_cross_entropy
from nn.optim import Adam
from nn.perceptron import MLP
from nn.report import Run, check_replaceable, write_report
from nn.train import TrainingError, fit
from nn.words import did_you_mean, number, percent

HELD_OUT = 0.2
QUICK_TRAIN, QUICK_TEST = 160, 60  # at most so many examples with --quick


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 the data, the training or the writing failed, 130 Ctrl-C.

    A mistake in the command itself ends Python with status 2, as argparse does.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a sign shows a question mark
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = _parse(words)
    try:
        run = learn(_load(options), options)
        print(f"Report: {write_report(options.output, run)}")
    except (OSError, DataError, CheckpointError, TrainingError) as error:
        print(f"python -m nn {options.command}: {error}", file=sys.stderr)
        if isinstance(error, DataError) and error.columns:
            without = [word for column in error.columns for word in _option("--ignore", column)]
            command = shlex.join(["python", "-m", "nn", *words, *without])
            print(f"To leave out what is text:\n    {command}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; no report was written.", file=sys.stderr)
        return 130
    return 0


def learn(dataset: Dataset, options: argparse.Namespace) -> Run:
    """Split, train with a progress bar, and test; tells the terminal how it goes."""
    train, test = split(dataset, HELD_OUT, options.seed)
    if options.quick:
        train, test = train.take(range(len(train))[:QUICK_TRAIN]), test.take(range(len(test))[:QUICK_TEST])
    is_image = options.command == "demo" and options.dataset == "digits"
    epochs = options.epochs or _usual_epochs(len(train), quick=options.quick)
    prepare: Callable[[Sequence[float]], list[float]] = _ink if is_image else Standardizer.of(train.examples)
    classifies = dataset.task == "classification"
    scale = None if classifies else Standardizer.of([[target] for target in train.targets])

    rng = random.Random(options.seed)
    sizes = [len(dataset.feature_names), *options.hidden, len(dataset.class_names) or 1]
    model = MLP(sizes[0], sizes[1:], activation=options.activation, init="xavier", rng=rng)
    optimizer = Adam(model.parameters(), lr=options.lr)
    settings = {
        "network": f"{'–'.join(map(str, sizes))}, {options.activation}, Xavier initialisation",
        "optimiser": f"Adam, learning rate {options.lr:g}",
        "epochs": f"{epochs}, batches of {options.batch_size}",
        "data": f"{len(train):,} examples to learn from, {len(test):,} held out",
        "seed": str(options.seed),
    }
    for note in dataset.notes:
        print(f"{note[0].upper()}{note[1:]}.")
    print(f"Data: {settings['data']}.")
    print(f"Network: {settings['network']}; {len(optimizer.parameters):,} parameters.", flush=True)
    progress = importlib.util.find_spec("tqdm") is not None
    if not progress:
        print("(For a progress bar: python -m pip install 'scalar-autograd[notebook]')", flush=True)

    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # they are in the history, and are told below the bar
        history = fit(
            model,
            *_prepared(train, prepare, scale),
            loss=softmax_cross_entropy if classifies else half_squared_error,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=options.batch_size,
            rng=rng,
            validation=_prepared(test, prepare, scale),
            callbacks=[SaveCheckpoint(options.checkpoint)] if options.checkpoint else [],
            resume=options.resume,
            progress=progress,
        )
    for message in history.messages:
        print(message)
    ended = f"after {time.perf_counter() - started:.0f} s{', stopped early' * history.interrupted}"

    image = (8, 16.0) if is_image else None
    run = Run(model, history, train, test, prepare, scale, command=_command(options), settings=settings, image=image)
    if classifies:
        print(f"Held-out accuracy: {percent(run.accuracy)} ({len(run.right):,} of {len(test):,}), {ended}.")
    else:
        deviation, r_squared = (number(figure, 3) for figure in run.errors)
        print(f"Held-out R²: {r_squared}; predictions are off by {deviation} (root mean square), {ended}.")
    if history.interrupted and options.checkpoint:
        print(f"To go on, give the same command with {shlex.join(_option('--resume', options.checkpoint))}.")
    return run


def _load(options: argparse.Namespace) -> Dataset:
    if options.command == "demo":
        return load_digits() if options.dataset == "digits" else load_iris()
    return load_csv(options.file, options.target, task=options.task, ignore=options.ignore, missing=options.missing)


def _prepared(
    dataset: Dataset, prepare: Callable[[Sequence[float]], list[float]], scale: Standardizer | None
) -> tuple[list[list[float]], Sequence[float]]:
    """What the network is trained on: prepared examples; class indices as they are, quantities scaled."""
    targets = dataset.targets if scale is None else [scale([target])[0] for target in dataset.targets]
    return [prepare(example) for example in dataset.examples], targets


def _parse(words: Sequence[str]) -> argparse.Namespace:
    """The options, checked as far as that can be done before any time is spent on training."""
    parser = argparse.ArgumentParser(
        prog="python -m nn",
        description="Train a network of scalar Values, test it on held-out data, and write a report as one HTML file.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{demo,train}")

    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--hidden", type=_sizes, default=[16], metavar="N[,N...]", help="neurons of each hidden layer (default: 16)")
    add("--activation", type=_activation, default="tanh", help="of the hidden layers (default: tanh)")
    add("--epochs", type=_whole, help="passes over the training data (default: depends on its size)")
    add("--batch-size", type=_whole, default=32, help="examples per step (default: 32)")
    add("--lr", type=_positive, default=0.01, help="learning rate of Adam (default: 0.01)")
    add("--seed", type=int, default=0, help="the same seed gives the same run (default: 0)")
    add("--output", default="report.html", metavar="FILE", help="replaces an older report (default: report.html)")
    add("--checkpoint", metavar="FILE", help="keep the training in this file, after each epoch and at the end")
    add("--resume", metavar="FILE", help="go on from this checkpoint, with the same options otherwise")
    add("--quick", action="store_true", help="a few examples and epochs only, to see that all works")

    add = commands.add_parser("demo", parents=[common], help="learn handwritten digits, or irises").add_argument
    add("--dataset", choices=["digits", "iris"], default="digits", help="(default: digits)")

    add = commands.add_parser("train", parents=[common], help="learn from a CSV file of your own").add_argument
    add("file", metavar="FILE.csv", help="a table with a header line; all features must be numbers")
    add("--target", required=True, metavar="COLUMN", help="the column to predict")
    add("--ignore", action="append", default=[], metavar="COLUMN", help="leave this column out (repeatable)")
    add("--task", choices=["classification", "regression"], help="(default: decided from the target)")
    add("--missing", choices=["error", "drop"], default="error", help="rows with empty cells (default: error)")

    options, unknown = parser.parse_known_args(words)
    if unknown:
        names = ["--" + name.replace("_", "-") for name in vars(options) if name not in ("command", "file")]
        parser.error(f"{options.command} does not take {unknown[0]!r}{did_you_mean(unknown[0], names)}")
    try:
        argument = "--output"
        check_replaceable(options.output)
        if options.checkpoint:
            argument = "--checkpoint"
            checkpoint.check_replaceable(options.checkpoint)
    except OSError as error:
        parser.error(f"argument {argument}: {error}")
    if options.checkpoint and os.path.realpath(options.checkpoint) == os.path.realpath(options.output):
        parser.error("arguments --checkpoint and --output: one file cannot be both")
    return options


def _command(options: argparse.Namespace) -> str:
    """The command that gives this run again, wherever its report goes."""
    words = ["python", "-m", "nn", options.command]
    if options.command == "train":
        words += [options.file, *_option("--target", options.target)]
        words += [word for column in options.ignore for word in _option("--ignore", column)]
        words += ["--task", options.task] if options.task else []
        words += ["--missing", "drop"] if options.missing == "drop" else []
    else:
        words += ["--dataset", options.dataset]
    words += ["--hidden", ",".join(map(str, options.hidden)), "--activation", options.activation]
    words += ["--epochs", str(options.epochs)] if options.epochs else []
    words += ["--batch-size", str(options.batch_size), "--lr", f"{options.lr!r}", "--seed", str(options.seed)]
    words += ["--quick"] if options.quick else []
    return shlex.join(words)


def _option(name: str, text: str) -> list[str]:
    """The words of an option; a text that looks like an option itself is tied to its name."""
    return [f"{name}={text}"] if text.startswith("-") else [name, text]


def _activation(text: str) -> str:
    """The name of an activation."""
    if text not in ACTIVATIONS:
        hint = did_you_mean(text, ACTIVATIONS)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(ACTIVATIONS)}{hint}")
    return text


def _whole(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _sizes(text: str) -> list[int]:
    """Layer sizes such as "16" or "16,8"."""
    return [_whole(part.strip()) for part in text.split(",")]


def _usual_epochs(examples: int, quick: bool) -> int:
    """About 15,000 examples in all, which takes a minute for digits; few data are seen more often."""
    return 2 if quick else min(max(15_000 // examples, 5), 60)


def _ink(row: Sequence[float]) -> list[float]:
    """Pixels of 0 to 16 as 0 to 1."""
    return [x / 16 for x in row]


if __name__ == "__main__":
    sys.exit(main())
