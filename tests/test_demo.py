"""`python -m nn`, as a user types it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def nn(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "nn", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )


def accuracy(printed: str) -> float:
    found = re.search(r"Held-out accuracy: ([\d.]+) %", printed)
    assert found, printed
    return float(found[1])


@pytest.mark.slow
def test_demo_reads_handwritten_digits(tmp_path: Path) -> None:
    done = nn("demo", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) >= 95
    assert f"Report: {tmp_path / 'report.html'}" in done.stdout


def test_quick_demo_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    words = ("demo", "--quick", "--hidden", "6", "--epochs", "1")
    runs = [
        nn(*words, "--seed", seed, "--output", name, folder=tmp_path) for seed, name in zip("445", "abc", strict=True)
    ]
    assert [run.returncode for run in runs] == [0, 0, 0], runs[0].stderr
    a, b, c = [(tmp_path / name).read_bytes() for name in "abc"]
    assert a == b
    assert a != c
    text = a.decode()
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("<figure") >= 60
    assert "python -m nn demo --dataset digits --hidden 6" in text


def test_iris(tmp_path: Path) -> None:
    done = nn("demo", "--dataset", "iris", "--epochs", "15", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) >= 90
    assert "epoch 15/15" in done.stderr


def test_train_on_a_file_with_text_that_looks_like_html(tmp_path: Path) -> None:
    rows = "".join(f"{x},{x % 7},{'<script>x</script>' if x > 10 else 'small & fine'}\n" for x in range(24))
    (tmp_path / "my data.csv").write_text(f'a,"<b>bold</b>",size\n{rows}', encoding="utf-8")
    done = nn("train", "my data.csv", "--target", "size", "--epochs", "40", "--output", "mine.html", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The target 'size' is text with 2 different values: classification." in done.stdout
    assert accuracy(done.stdout) >= 75
    html = (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<b>bold" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "python -m nn train &#x27;my data.csv&#x27; --target size" in html


def test_train_on_a_quantity(tmp_path: Path) -> None:
    rows = "".join(f"{x},{(x / 10 - 2) ** 2}\n" for x in range(40))
    (tmp_path / "squares.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
    done = nn("train", "squares.csv", "--target", "y", "--lr", "0.05", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "regression" in done.stdout
    found = re.search(r"R²: ([\d.]+);", done.stdout)
    assert found, done.stdout
    assert float(found[1]) > 0.9


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("demo", "--epochs", "0"), 2, "'0' is not a whole number of at least 1"),
        (("demo", "--hidden", "16,x"), 2, "'x' is not a whole number of at least 1"),
        (("demo", "--lr", "nan"), 2, "'nan' is not a number above 0"),
        (("demo", "--activation", "foo"), 2, "argument --activation: 'foo' is none of linear, "),
        (("demo", "--activation", "sigmod"), 2, "(did you mean 'sigmoid'?)"),
        (("demo", "--quik"), 2, "demo does not take '--quik' (did you mean '--quick'?)"),
        (("train", "t.csv", "--target", "y", "--bach-size", "3"), 2, "(did you mean '--batch-size'?)"),
        (("train", "t.csv", "--target", "y", "--dataset", "iris"), 2, "train does not take '--dataset'"),
        (("demo", "--dataset", "mnist"), 2, "invalid choice: 'mnist'"),
        (("demo", "--output", "no/such/report.html"), 2, "there is no folder"),
        (("demo", "--output", "."), 2, "is a folder"),
        (("train", "no.csv", "--target", "x"), 1, "no.csv: there is no such file"),
        (("train", "t.csv", "--target", "z"), 1, "no column 'z'; the columns are 'x', 'y'"),
        (("train", "t.csv", "--target", "y"), 1, "only 1 complete row of data"),
        (("train", "t.csv", "--target", "y", "--output", "t.csv"), 2, "is not a report of ours"),
        (("train", "t.csv"), 2, "--target"),
        (("demo", "--checkpoint", "t.csv"), 2, "argument --checkpoint: [Errno 17] this file is not a checkpoint"),
        (("demo", "--checkpoint", "no/run.json"), 2, "argument --checkpoint: [Errno 2]"),
        (("demo", "--checkpoint", "x", "--output", "./x"), 2, "--checkpoint and --output: one file cannot be both"),
        (("demo", "--quick", "--resume", "no.json"), 1, "No such file or directory: 'no.json'"),
        (("demo", "--quick", "--resume", "t.csv"), 1, "t.csv: it is not JSON"),
        ((), 2, "{demo,train}"),
    ],
)
def test_mistakes_get_one_clear_line(words: tuple[str, ...], status: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    done = nn(*words, folder=tmp_path)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "function" not in done.stderr  # which only Python can give
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_learning_rate_that_is_too_large_is_told(tmp_path: Path) -> None:
    rows = "".join(f"{x},{x * x}\n" for x in range(40))
    (tmp_path / "t.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
    words = ("train", "t.csv", "--target", "y", "--lr", "1e200", "--activation", "linear")
    done = nn(*words, folder=tmp_path)
    assert done.returncode == 1
    assert "smaller learning rate than 1e+200" in done.stderr
    assert not (tmp_path / "report.html").exists()


def test_only_an_older_report_is_replaced(tmp_path: Path) -> None:
    table = "x,y\n" + "".join(f"{x},{x * x}\n" for x in range(40))
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    (tmp_path / "link.html").symlink_to("t.csv")
    (tmp_path / "mine.html").write_text("<!DOCTYPE html><title>mine</title>", encoding="utf-8")
    words = ("train", "t.csv", "--target", "y", "--quick", "--output")
    for name in ("t.csv", "./t.csv", f"../{tmp_path.name}/t.csv", str(tmp_path / "t.csv"), "link.html", "mine.html"):
        done = nn(*words, name, folder=tmp_path)
        assert done.returncode == 2
        assert "give another name" in done.stderr
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == table
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "mine.html").read_text(encoding="utf-8").endswith("mine</title>")
    for _ in range(2):
        assert nn(*words, "new.html", folder=tmp_path).returncode == 0


def test_a_command_to_paste_leaves_out_columns_of_text(tmp_path: Path) -> None:
    rows = "".join(f"n{i},{i},o'k,{'xy'[i % 2]}\n" for i in range(10))
    (tmp_path / "pets.csv").write_text(f"name,age,-home town,kind\n{rows}", encoding="utf-8")
    done = nn("train", "pets.csv", "--target", "kind", "--quick", folder=tmp_path)
    assert done.returncode == 1
    assert "column 'name' ('n0' in line 2, and 9 more), column '-home town'" in done.stderr
    pasted = done.stderr.strip().splitlines()[-1].strip()
    assert pasted == "python -m nn train pets.csv --target kind --quick --ignore name '--ignore=-home town'"
    done = nn(*shlex.split(pasted)[3:], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--ignore name" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_resumed_gives_the_same_report(tmp_path: Path) -> None:
    words = ("demo", "--dataset", "iris", "--hidden", "4")
    first = nn(*words, "--epochs", "2", "--checkpoint", "run.json", "--output", "first.html", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    again = nn(*words, "--epochs", "4", "--resume", "run.json", "--output", "again.html", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    whole = nn(*words, "--epochs", "4", "--output", "whole.html", folder=tmp_path)
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "whole.html").read_bytes()
    assert accuracy(again.stdout) == accuracy(whole.stdout)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_reports_what_was_learnt_so_far(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "nn", "demo", "--epochs", "500", "--checkpoint", "run.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, encoding="utf-8", **pipes) as process:  # type: ignore[call-overload]
        shown = ""
        while "loss" not in shown:
            shown += process.stderr.read(1)
            assert process.poll() is None, shown
        process.send_signal(signal.SIGINT)
        printed, shown = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    assert "stopped early" in printed
    assert "To go on, give the same command with --resume run.json." in printed
    assert "Training was ended early, by hand." in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "run.json").read_text())["step"] >= 1
