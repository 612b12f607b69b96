"""The README: each code block runs, each `# →` is what is printed, the table and the picture are what the code makes."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.M | re.S)


def test_every_block_is_python_or_shell():
    assert {language for language, _ in BLOCKS} == {"python", "sh"} and README.count("```") == 2 * len(BLOCKS)


def test_python_blocks_print_what_they_say():
    namespace: dict[str, object] = {}
    for number, code in enumerate(code for language, code in BLOCKS if language == "python"):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, f"README block {number}", "exec"), namespace)
        said = re.findall(r"# → ?(.*)$", code, flags=re.M)
        assert printed.getvalue().splitlines() == said, f"README, Python block {number}"


def test_shell_blocks(tmp_path):
    lines = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
    assert lines[:2] == [  # .ci/run runs these two, as they stand, in fresh environments
        "python -m pip install '.[notebook]' && python -m nn demo",
        "python -m pip install '.[test]' && python -m pytest",
    ]
    table = tmp_path / "FILE.csv"
    table.write_text(
        "length,width,COLUMN\n" + "".join(f"{i % 7},{i % 5 + (i % 2) * 6},{'ab'[i % 2]}\n" for i in range(60))
    )
    for line in lines[2:]:
        assert line.startswith("python -m ")
        _, *command = shlex.split(line)
        options = ["--quick"] if "train" in command else []
        done = subprocess.run(
            [sys.executable, *command, *options],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr


def test_the_table_of_operations_is_generated():
    from autograd.reference import operations_table

    written = README.split("<!-- operations: written by `python -m autograd.reference` -->\n")[1].split(
        "<!-- end of operations"
    )[0]
    assert written.strip() == operations_table().strip(), "run `python -m autograd.reference` and paste what it prints"


def test_the_picture_is_drawn_from_the_tours_own_expression():
    from autograd import Value, draw

    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    y = (a * b + c).tanh()
    y.label = "y"
    y.backward()
    without_ids = lambda svg: re.sub(r"(id=\"|#)[\w-]+", r"\1", svg)
    assert without_ids((ROOT / "notebooks" / "graph.svg").read_text(encoding="utf-8")) == without_ids(
        draw(y, engine="layered").svg
    )
