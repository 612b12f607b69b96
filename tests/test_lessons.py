"""The lessons: script and notebook are in step, each runs, what is saved can be shown, exercises know right from wrong."""

import ast
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lessons import FOLDER, KERNEL, LONGEST, SCRIPTS, execute, read
from solutions import SOLUTIONS

import autograd

LARGEST = 1_200_000  # bytes of a notebook
FEWEST = 3  # exercises in a lesson
OF_A_MACHINE = re.compile(
    re.escape(str(FOLDER.parent))
    + r"|site-packages|(?<![\w.:/<])/(?:home|root|Users|tmp|usr|opt|var|private)/|[A-Z]:\\+Users| at 0x[0-9a-f]{6,}"
)
A_PATH = re.compile(r"(?:^|[\s\"'(=])(/\w+/[\w.])")  # in plain text: a page may hold a regular expression

LONG = {"10_gpt"}  # lessons that run for more than ten seconds

every_lesson = pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])


def saved(script: Path) -> dict[str, Any]:
    return json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))


def source(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])


def outputs_of(notebook: Mapping[str, Any]) -> list[list[Any]]:
    """The outputs of each cell of code."""
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def forms(notebook: Mapping[str, Any]) -> list[list[tuple[str, list[str]]]]:
    """What each cell of code gave: of each output what it is, and in which forms."""
    return [[(o["output_type"], sorted(o.get("data", ()))) for o in outputs] for outputs in outputs_of(notebook)]


def texts(output: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of an output, each with its form; without what is encoded in base64."""
    for form, data in {"text/plain": output.get("text", ""), **output.get("data", {})}.items():
        if not form.startswith("image/") or form == "image/svg+xml":
            yield form, re.sub(r"[A-Za-z0-9+/]{200,}={0,2}", "", "".join(data))


def exercises_in(code: ast.AST) -> list[ast.Call]:
    calls = [
        node for node in ast.walk(code) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "exercise"
    ]
    return sorted(calls, key=lambda call: call.lineno)


# ---- what is saved ---------------------------------------------------------------------------------------------------


def test_every_script_has_its_notebook_and_solutions():
    names = [script.stem for script in SCRIPTS]
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == names == sorted(p.stem for p in FOLDER.glob("*.py"))
    assert [name[:2] for name in names] == sorted(SOLUTIONS)


@every_lesson
def test_script_and_notebook_are_in_step(script):
    cells = [(cell.cell_type, cell.id, cell.source) for cell in read(script).cells]
    assert cells == [(cell["cell_type"], cell["id"], source(cell)) for cell in saved(script)["cells"]], (
        f"edit {script.name}, then run `python -m tests.lessons {script.stem[:2]}`"
    )


@every_lesson
def test_it_opens_with_what_one_will_be_able_to_do_and_ends_with_where_to_go(script):
    first, *_, last = saved(script)["cells"]
    assert first["cell_type"] == last["cell_type"] == "markdown"
    assert re.match(r"# \S", source(first)) and "After this you can" in source(first)
    lessons = re.findall(r"`(\d\d_\w+)`", source(last))
    assert set(lessons) <= {script.stem for script in SCRIPTS}, "a lesson that is not there"


@every_lesson
def test_saved_it_can_be_read_anywhere(script):
    notebook = saved(script)
    assert script.with_suffix(".ipynb").stat().st_size <= LARGEST
    assert notebook["metadata"] == {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(cell["metadata"] == {} for cell in notebook["cells"]), "timestamps, tags, folded cells"
    counts = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert counts == [*range(1, len(counts) + 1)], "run it from top to bottom"
    outputs = [output for outputs in outputs_of(notebook) for output in outputs]
    kinds = {output["output_type"] for output in outputs}
    assert kinds <= {"stream", "execute_result", "display_data"}, "a cell raised an error"
    assert all(output.get("name", "stdout") == "stdout" for output in outputs), "a warning was printed"
    for output in outputs:
        for form, text in texts(output):
            path = OF_A_MACHINE.search(text) or (A_PATH.search(text) if form == "text/plain" else None)
            assert not path, f"of this machine: {text[max(0, path.start() - 100) : path.end() + 100]}"
    data = [output.get("data", {}) for output in outputs]
    assert any("image/png" in d or "data:image/svg+xml" in "".join(d.get("text/html", "")) for d in data)
    assert all(d.keys() <= {"text/plain", "text/html", "image/png"} for d in data), "no widget: nothing is behind it"


@every_lesson
def test_saved_every_exercise_waits_for_an_answer(script):
    found = 0
    for cell in saved(script)["cells"]:
        count = len(exercises_in(ast.parse(source(cell)))) if cell["cell_type"] == "code" else 0
        found += count
        if count:
            said = [text for output in cell["outputs"] for _, text in texts(output)]
            assert count == 1 and any("Not answered yet" in text for text in said), source(cell)
    assert found >= FEWEST


# ---- what runs -------------------------------------------------------------------------------------------------------


def spoiled(answer: Any) -> Any:
    """A wrong answer that looks like the right one."""
    if isinstance(answer, str):
        return f"2*({answer})"  # of a formula, too
    if isinstance(answer, bool):
        return not answer
    if isinstance(answer, (Number, np.ndarray)):
        return answer + abs(answer) / 4 + 0.25
    if isinstance(answer, Mapping):
        return {name: spoiled(part) for name, part in answer.items()}
    if isinstance(answer, (Sequence, set)):
        return type(answer)([spoiled(part) for part in answer])
    pytest.fail(
        f"tests/solutions.py should have a wrong answer beside the right one: how does one spoil {answer!r:.80}?"
    )


class Solved(ast.NodeTransformer):
    """A lesson with answers put in: each exercise is asked as it stands, then with a right answer, then with a wrong one."""

    def __init__(self, solutions: Sequence[str | tuple[str, str]]) -> None:
        self.solutions = iter(solutions)

    def visit_Expr(self, asked: ast.Expr) -> Any:
        if not exercises_in(asked):
            return asked
        right = next(self.solutions)
        if isinstance(right, str):  # the recorder spoils this one itself
            return [asked, *ast.parse(right).body, asked]
        right, wrong = (ast.parse(answer).body for answer in right)
        return [asked, *right, asked, *wrong, asked, *right]


class Recorder:
    """Stands in for `exercise`, and keeps what it found: for none, the right, and a wrong answer."""

    def __init__(self, given_wrong_ones: Sequence[bool]) -> None:
        self.given_wrong_ones = iter(given_wrong_ones)
        self.found: list[list[Any]] = []
        self.to_come = 0

    def __call__(self, given: Any, expected: Any, hint: str, **options: Any) -> Any:
        outcome = real_exercise(given, expected, hint, **options)
        assert isinstance(hint, str) and len(hint) > 10
        if not self.to_come:
            self.found.append([outcome])
            self.wrong_is_given = next(self.given_wrong_ones)
            self.to_come = 2 if self.wrong_is_given else 1
            return outcome
        self.found[-1].append(outcome)
        self.to_come -= 1
        if not self.wrong_is_given:
            self.found[-1].append(real_exercise(spoiled(given), expected, hint, **options))
        return outcome


real_exercise = autograd.exercise


@pytest.mark.parametrize(
    "script", [pytest.param(s, id=s.stem, marks=pytest.mark.slow if s.stem in LONG else ()) for s in SCRIPTS]
)
def test_it_runs_as_plain_python_and_its_exercises_know_right_from_wrong(script, monkeypatch, tmp_path):
    """Without Jupyter, with warnings as errors, in a folder of its own, in which it leaves nothing behind."""
    solutions = SOLUTIONS[script.stem[:2]]
    code = ast.parse(script.read_text(encoding="utf-8"))
    assert len(exercises_in(code)) == len(solutions) >= FEWEST, "one solution for each exercise"
    recorder = Recorder([not isinstance(solution, str) for solution in solutions])
    monkeypatch.setattr(autograd, "exercise", recorder)
    monkeypatch.chdir(tmp_path)
    solved = ast.fix_missing_locations(Solved(solutions).visit(code))
    exec(compile(solved, str(script), "exec"), {"__name__": "__main__"})
    assert len(recorder.found) == len(solutions)
    for number, (unanswered, right, wrong) in enumerate(recorder.found, 1):
        assert unanswered.right is None and "Not answered yet" in repr(unanswered), f"exercise {number}: {unanswered}"
        assert right.right is True, f"exercise {number}, the author's answer: {right}"
        assert wrong.right is False, f"exercise {number}, a wrong answer: {wrong}"
    assert not list(tmp_path.iterdir()), "what a lesson writes belongs into a temporary folder"
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert not (pyplot and pyplot.get_fignums()), "plt.close(figure), or a notebook shows it twice"


@pytest.mark.slow
@every_lesson
def test_it_runs_in_jupyter_within_a_minute(script):
    start = time.perf_counter()
    executed = execute(read(script))
    assert time.perf_counter() - start < LONGEST
    assert forms(executed) == forms(saved(script)), f"run `python -m tests.lessons {script.stem[:2]}`"
    warned = [o["text"] for outputs in outputs_of(executed) for o in outputs if o.get("name") == "stderr"]
    assert not warned
