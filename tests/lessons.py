"""The lessons: each is a script in `notebooks/` that one edits, and the notebook that is made from it, with its outputs.

    python -m tests.lessons            # writes and runs every notebook anew
    python -m tests.lessons 03 05      # ... these

Needs the extra `lessons`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LONGEST = 60  # seconds that a lesson may take
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def read(script: Path) -> Any:
    """The notebook of a script, without outputs; its cells have the same ids whenever it is read."""
    import jupytext

    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{script.stem[:2]}-{number}"
        cell.metadata = {}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(notebook: Any) -> Any:
    """The notebook, run in Jupyter from its own folder; an error in a cell is a CellExecutionError.

    Of a widget only its pictures are kept: with no kernel there is nothing behind it, and its id is another in every run.
    """
    from nbclient import NotebookClient

    paths = [str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "IPYKERNEL_CELL_NAME": "cell.py",  # what tracebacks and warnings call a cell: no path of this machine
    }
    client = NotebookClient(
        notebook,
        timeout=LONGEST,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,  # what was printed is one text, however it happened to come in
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute(env=environment)
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}  # not this machine's Python
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)
    return notebook


def main(chosen: list[str]) -> None:
    import nbformat

    scripts = {script.stem[:2]: script for script in SCRIPTS}
    if unknown := set(chosen) - scripts.keys():
        sys.exit(f"there is no lesson {', '.join(sorted(unknown))}; there are {', '.join(scripts)}")
    for script in [scripts[number] for number in chosen or scripts]:
        print(script.stem, flush=True)
        nbformat.write(execute(read(script)), script.with_suffix(".ipynb"))


if __name__ == "__main__":
    main(sys.argv[1:])
