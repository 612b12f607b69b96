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
from collections.abc import Callable, Sequence
from typing import Any

from nn.data import DataError, Dataset, Standardizer, load_csv, load_digits, load_iris, split
from nn.layers import MLP
from nn.losses import half_squared_error, softmax_cross_entropy
from nn.optim import Adam
from nn.plot import number, percent
from nn.report import Run, write_report
from nn.train import TrainingError, fit

HELD_OUT = 0.2
QUICK_EXAMPLES = 160  # of the training part, with --quick


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 the data or the training failed, 130 stopped by Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a sign shows a question mark
    parser = _parser()
    options = parser.parse_args(arguments)
    _check_output(parser, options.output)
    try:
        if options.command == "train":
            dataset = load_csv(
                options.file, options.target, task=options.task, ignore=options.ignore, missing=options.missing
            )
        else:
            dataset = load_digits() if options.dataset == "digits" else load_iris()
        run = learn(dataset, options, parser)
        print(f"Report: {write_report(options.output, run)}")
    except (DataError, FileNotFoundError, TrainingError) as error:
        print(f"python -m nn {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; no report was written.", file=sys.stderr)
        return 130
    return 0


def learn(dataset: Dataset, options: argparse.Namespace, parser: argparse.ArgumentParser) -> Run:
    """Split, train with a progress bar, and test; tells the terminal how it goes."""
    train, test = split(dataset, HELD_OUT, options.seed)
    if options.quick:
        train, test = train.take(range(min(len(train), QUICK_EXAMPLES))), test.take(range(min(len(test), 60)))
    is_image = options.command == "demo" and options.dataset == "digits"
    epochs = options.epochs or _usual_epochs(len(train), quick=options.quick)
    prepare: Callable[[Sequence[float]], list[float]] = _ink if is_image else Standardizer.of(train.examples)
    classifies = dataset.task == "classification"
    scale = (0.0, 1.0) if classifies else _scale(train.targets)

    rng = random.Random(options.seed)
    sizes = [len(dataset.feature_names), *options.hidden, len(dataset.class_names) or 1]
    try:
        model = MLP(sizes[0], sizes[1:], activation=options.activation, init="xavier", rng=rng)
    except ValueError as error:
        parser.error(f"argument --{error}".removesuffix(", or a function"))
    optimizer = Adam(model.parameters(), lr=options.lr)

    shape = "–".join(map(str, sizes))
    for note in dataset.notes if options.command == "train" else ():
        print(f"{note[0].upper()}{note[1:]}.")
    print(f"{len(train):,} examples to learn from, {len(test):,} held out.")
    print(f"A network of {shape} neurons, {options.activation}: {len(optimizer.parameters):,} parameters.", flush=True)
    progress = importlib.util.find_spec("tqdm") is not None
    if not progress:
        print("(For a progress bar: python -m pip install 'scalar-autograd[notebook]')", flush=True)

    started = time.perf_counter()
    history = fit(
        model,
        [prepare(example) for example in train.examples],
        _scaled(train.targets, scale, classifies),
        loss=softmax_cross_entropy if classifies else half_squared_error,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=options.batch_size,
        rng=rng,
        validation=([prepare(example) for example in test.examples], _scaled(test.targets, scale, classifies)),
        progress=progress,
    )
    seconds = time.perf_counter() - started

    run = Run(
        model=model,
        history=history,
        train=train,
        test=test,
        prepare=prepare,
        scale=scale,
        command=_command(options),
        settings={
            "network": f"{shape}, {options.activation}, Xavier initialisation",
            "optimiser": f"Adam, learning rate {options.lr:g}",
            "epochs": f"{epochs}, batches of {options.batch_size}",
            "data": f"{len(train):,} examples to learn from, {len(test):,} held out",
            "seed": str(options.seed),
        },
        image=(8, 16.0) if is_image else None,
    )
    stopped = ", stopped early" if history.interrupted else ""
    if classifies:
        right = round(run.accuracy * len(test))
        counts = f"{right:,} of {len(test):,}"
        print(f"Held-out accuracy: {percent(run.accuracy)} ({counts}), after {seconds:.0f} s{stopped}.")
    else:
        deviation, r_squared = run.errors
        print(
            f"Held-out R²: {number(r_squared, 3)}; predictions are off by {number(deviation, 3)} (root mean square), "
            f"after {seconds:.0f} s{stopped}."
        )
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nn",
        description="Train a network of scalar Values, test it on held-out data, and write a report as one HTML file.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{demo,train}")

    common = argparse.ArgumentParser(add_help=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    common.add_argument(
        "--hidden", type=_sizes, default=[16], metavar="N[,N...]", help="neurons of each hidden layer (default: 16)"
    )
    common.add_argument("--activation", default="tanh", help="of the hidden layers (default: tanh)")
    common.add_argument("--epochs", type=_whole, help="passes over the training data (default: depends on its size)")
    common.add_argument("--batch-size", type=_whole, default=32, help="examples per step (default: 32)")
    common.add_argument("--lr", type=_positive, default=0.01, help="learning rate of Adam (default: 0.01)")
    common.add_argument("--seed", type=int, default=0, help="the same seed gives the same run (default: 0)")
    common.add_argument(
        "--output", default="report.html", metavar="FILE", help="replaced if it exists (default: report.html)"
    )
    common.add_argument("--quick", action="store_true", help="a few examples and epochs only, to see that all works")

    demo = commands.add_parser("demo", parents=[common], help="learn handwritten digits, or irises")
    demo.add_argument("--dataset", choices=["digits", "iris"], default="digits", help="(default: digits)")

    train = commands.add_parser("train", parents=[common], help="learn from a CSV file of your own")
    train.add_argument("file", metavar="FILE.csv", help="a table with a header line; all features must be numbers")
    train.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    train.add_argument(
        "--ignore", action="append", default=[], metavar="COLUMN", help="leave this column out (repeatable)"
    )
    train.add_argument("--task", choices=["classification", "regression"], help="(default: decided from the target)")
    train.add_argument(
        "--missing", choices=["error", "drop"], default="error", help="rows with empty cells (default: error)"
    )
    return parser


def _command(options: argparse.Namespace) -> str:
    """The command that gives this run again: what was typed, less the defaults and where the report goes."""
    words = ["python", "-m", "nn", options.command]
    words += [options.file, "--target", options.target] if options.command == "train" else []
    words += ["--dataset", options.dataset] if options.command == "demo" else []
    words += [word for column in getattr(options, "ignore", []) for word in ("--ignore", column)]
    words += ["--task", options.task] if getattr(options, "task", None) else []
    words += ["--missing", "drop"] if getattr(options, "missing", None) == "drop" else []
    words += ["--hidden", ",".join(map(str, options.hidden)), "--activation", options.activation]
    words += ["--epochs", str(options.epochs)] if options.epochs else []
    words += ["--batch-size", str(options.batch_size), "--lr", f"{options.lr!r}", "--seed", str(options.seed)]
    words += ["--quick"] if options.quick else []
    return shlex.join(words)


def _check_output(parser: argparse.ArgumentParser, path: str) -> None:
    """Refuse, before any time is spent on training, a place where no report can be written."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        parser.error(f"argument --output: {path!r} is a folder; give the name of a file in it")
    if not os.path.isdir(folder):
        parser.error(f"argument --output: there is no folder {folder!r}; make it first")
    if not os.access(folder, os.W_OK):
        parser.error(f"argument --output: no permission to write to {folder!r}")


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


def _scale(targets: Sequence[float]) -> tuple[float, float]:
    """(mean, standard deviation) of the targets."""
    standardizer = Standardizer.of([[target] for target in targets])
    return standardizer.means[0], standardizer.scales[0]


def _scaled(targets: Sequence[Any], scale: tuple[float, float], classifies: bool) -> list[Any]:
    """Class indices as they are; quantities in standard deviations from their mean."""
    return list(targets) if classifies else [(target - scale[0]) / scale[1] for target in targets]


if __name__ == "__main__":
    sys.exit(main())
