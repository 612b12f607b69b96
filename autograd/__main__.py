"""The command line: the value of an expression, every gradient, and the sweep that found them."""

import os
import re
import sys
from collections.abc import Sequence
from keyword import iskeyword
from math import isfinite
from typing import NamedTuple

from .drawing import draw, ledger
from .drawing.figures import ELLIPSIS, MINUS, aligned, columns, figure, grid
from .engine import Value
from .expression import build, public_operations
from .files import write_file

HELP = """\
usage: python -m autograd [--svg FILE] [--quiz N [--seed S]] EXPRESSION [NAME=NUMBER ...]

Compute an expression and its gradient with respect to every variable, and show the backward sweep:
which node hands how much to which parent.

    python -m autograd "tanh(a*b + c)" a=2 b=-3 c=10
    python -m autograd "logsumexp(a, b) + leaky_relu(a - b, slope=0.2)" a=1 b=2
    python -m autograd "softmax_cross_entropy([a, b], target=1)" a=0.1 b=2 --svg graph.svg

EXPRESSION     numbers, names, + - * / **, parentheses, pi, e, and the operations below, in quotes
NAME=NUMBER    the value of each variable
--svg FILE     write a picture of the graph, with all of these numbers on it
--quiz N       hide N of the numbers, in a picture too, and ask for them one by one, as in --quiz 3
--seed S       a whole number, for the same N numbers every time
--help         show this

operations: """

WHOLE = {"--quiz": 3, "--seed": 1}  # options with a whole number, and one as an example
PLAIN = str.maketrans(
    {MINUS: "-", ELLIPSIS: "...", "─": "-", "×": "x", "→": "->", "∞": "inf", "–": "-"}
    | {"│": "|", "├": "|", "└": "`", "·": ".", "✓": ""}
)


class UsageError(ValueError):
    """The command line is not as `--help` says."""


class Request(NamedTuple):
    """What the command line asks for."""

    expression: str
    variables: dict[str, Value]
    svg: str | None
    quiz: int | None
    seed: int | None


def read_arguments(arguments: Sequence[str]) -> Request:
    """The command line as a Request. Raises UsageError, saying what was given and what was expected."""
    svg: str | None = None
    counts: dict[str, int] = {}
    words: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        option = word.partition("=")[0]
        if word == "--svg" and not rest:
            raise UsageError("--svg needs the name of a file, as in --svg graph.svg")
        if word == "--svg" or word.startswith("--svg="):
            svg = rest.pop(0) if word == "--svg" else word.removeprefix("--svg=")
        elif option in WHOLE and (word != option or not names_a_variable(option, rest)):
            given = word.removeprefix(f"{option}=") if word != option else rest.pop(0) if rest else ""
            counts[option] = whole_number(option, given)
        elif is_option(word) and (words or not names_a_variable(word, rest)):
            raise UsageError(f"unknown option {word}; there are --svg FILE, --quiz N, --seed S and --help")
        else:
            words.append(word)
    if svg is not None and (not words or is_assignment(words[0])):
        raise UsageError(
            f"--svg needs the name of a file before the expression, as in --svg graph.svg; got {svg!r:.80}"
        )
    if not words or is_assignment(words[0]):
        got = f", got {words[0]!r:.80}" if words else ""
        raise UsageError(f'expected an expression first, as in python -m autograd "a*b + c" a=2 b=-3 c=10{got}')
    variables: dict[str, Value] = {}
    for word in words[1:]:
        name, equals, number = word.partition("=")
        if not equals or not name.isidentifier() or iskeyword(name):
            raise UsageError(f"expected NAME=NUMBER, as in a=2, got {word!r:.80} (is the expression in quotes?)")
        if name in variables:
            raise UsageError(f"{name} is given twice")
        try:
            variables[name] = Value(float(number), label=name)
        except ValueError:
            raise UsageError(f"{name} should be a number, as in {name}=2.5, got {number!r:.80}") from None
    if "--seed" in counts and "--quiz" not in counts:
        raise UsageError("--seed chooses what --quiz asks: give both, as in --quiz 3 --seed 1")
    return Request(words[0], variables, svg, counts.get("--quiz"), counts.get("--seed"))


def names_a_variable(word: str, rest: Sequence[str]) -> bool:
    """Whether a word that looks like an option is an expression, --a, since its variable's value follows."""
    return any(each.startswith(f"{word[2:]}=") for each in rest)


def whole_number(option: str, given: str) -> int:
    """The number behind an option."""
    try:
        return int(given)
    except ValueError:
        raise UsageError(f"{option} needs a whole number, as in {option} {WHOLE[option]}, got {given!r:.80}") from None


def is_option(word: str) -> bool:
    """Whether a word is written as an option, --png; so is, alas, the expression --a."""
    return re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word) is not None


def is_assignment(word: str) -> bool:
    """Whether a word is a variable's value, x=1, and no expression."""
    name, _, number = word.partition("=")
    return name.isidentifier() and re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", number) is not None


def report(expression: str, root: Value, variables: dict[str, Value]) -> str:
    """The value, the gradients and the ledger as text. The sweep has been made."""
    paragraphs = [f"{' '.join(expression.split())} = {exact(root.data)}"]
    if not variables:
        return f"{paragraphs[0]}\n\nThere is no variable in it, so there is no gradient."
    values = aligned([exact(value.data) for value in variables.values()])
    gradients = aligned([exact(value.grad) for value in variables.values()])
    table = grid([["variable", *variables], ["value", *values], ["gradient", *gradients]])
    paragraphs.append("\n".join(table))
    rows = ledger(root)
    paragraphs += ["The sweep, from the result back to the variables:"] if rows else []
    paragraphs.append(str(rows))
    return "\n\n".join(paragraphs)


def exact(x: float) -> str:
    """A number with ten significant digits."""
    return f"{x:.10g}".replace("-", MINUS) if isfinite(x) else figure(x)


def say(text: str) -> None:
    """Print, with plain signs where the terminal's encoding has no others."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    print(text, flush=True)


def wrapped(words: Sequence[str], first: int, width: int = 100) -> str:
    """Words separated by commas, in lines of this width, the first of which has `first` columns taken."""
    lines, column = [""], first
    for word in words:
        if column + columns(word) + 2 > width:
            lines.append("    ")
            column = 4
        lines[-1] += f"{word}, "
        column += columns(word) + 2
    return "\n".join([line.rstrip() for line in lines]).removesuffix(",")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 for a request that cannot be fulfilled."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--help" in arguments or "-h" in arguments:
        say(HELP + wrapped(list(public_operations()), len("operations: ")))
        return 0
    try:
        request = read_arguments(arguments)
        found = build(request.expression, request.variables)
        root = found if isinstance(found, Value) else Value(found)
        if request.quiz is not None:
            return play(root, request)
        root.backward()
        if request.svg is not None:
            write_file(request.svg, draw(root, engine="layered").svg)
        say(report(request.expression, root, request.variables))
        if request.svg is not None:
            say(f"\nThe picture is in {request.svg}")
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UsageError as error:
        return complain(f"{error}\nTry python -m autograd --help")
    except OSError as error:
        return complain(f"cannot write {request.svg}: {error.strerror or error}")
    except ValueError as error:
        return complain(str(error))
    return 0


def play(root: Value, request: Request) -> int:
    """Ask for some of the numbers, one by one."""
    from .quizzes.quiz import quiz

    asked = quiz(root, request.quiz or 0, request.seed, engine="layered")
    if request.svg is not None:
        write_file(request.svg, asked.drawing.svg)
    asked.play(say, f"The same numbers again: --quiz {request.quiz} --seed {asked.seed}.")
    return 0


def complain(problem: str) -> int:
    """Print an error; returns the exit status of a request that cannot be fulfilled."""
    encoding = sys.stderr.encoding or "ascii"
    print(f"error: {problem}".encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
