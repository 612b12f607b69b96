"""Files: written whole or not at all, with the permissions they had, and errors that name the path that was asked for."""

import os
import stat
import threading
from pathlib import Path

import pytest

from autograd.files import write_file

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and pipes as POSIX has them")


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "y.svg"
    assert write_file(path, "<svg>−</svg>") == str(path)
    assert path.read_bytes() == "<svg>−</svg>".encode()
    write_file(os.fsencode(path), b"\x00")
    assert path.read_bytes() == b"\x00"
    assert os.listdir(tmp_path) == ["y.svg"]


def test_what_another_writer_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f"y.svg.{os.getpid()}.part").write_text("old")
    write_file(tmp_path / "y.svg", "new")
    assert (tmp_path / "y.svg").read_text() == "new"


@posix
def test_a_new_file_has_the_usual_permissions_and_an_old_one_its_own(tmp_path: Path) -> None:
    path = tmp_path / "y.svg"
    before = os.umask(0o027)
    try:
        write_file(path, "new")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for mode in (0o600, 0o664):
            path.chmod(mode)
            write_file(path, "again")
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "y.svg").symlink_to(tmp_path / "inner" / "real.svg")
    write_file(tmp_path / "y.svg", "new")
    assert (tmp_path / "y.svg").is_symlink()
    assert (tmp_path / "inner" / "real.svg").read_text() == "new"


@posix
def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, got = tmp_path / "y.svg", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    write_file(pipe, "through")
    assert pipe.is_fifo()
    reader.join(5)
    assert got == ["through"]


def test_a_long_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("y" * 246 + ".svg")
    write_file(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(OSError, match=r"too long.*yyy"):
        write_file(tmp_path / ("y" * 252 + ".svg"), "new")
    assert os.listdir(tmp_path) == [path.name]


def test_what_cannot_be_written_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("kept")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere': 'nowhere/y.svg'") as missing:
        write_file("nowhere/y.svg", "new")
    assert missing.value.filename == "nowhere/y.svg"
    with pytest.raises(NotADirectoryError, match=r"'.*file' is a file, not a folder: 'file/y.svg'"):
        write_file("file/y.svg", "new")
    with pytest.raises(IsADirectoryError, match=r"'\.' is a folder: give the name of a file in it"):
        write_file(".", "new")
    assert os.listdir() == ["file"]


def test_a_read_only_file_or_folder_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so what the system would say is put in its place."""
    path = tmp_path / "y.svg"
    path.write_text("kept")
    monkeypatch.setattr(os, "access", lambda place, mode: os.fspath(place) != str(path))
    with pytest.raises(PermissionError, match=r"the file is read-only: '.*y\.svg'"):
        write_file(path, "new")
    monkeypatch.setattr(os, "access", lambda place, mode: os.fspath(place) != str(tmp_path))
    with pytest.raises(PermissionError, match=rf"the folder '{tmp_path}' is read-only: '.*y\.svg'"):
        write_file(path, "new")
    assert (os.listdir(tmp_path), path.read_text()) == (["y.svg"], "kept")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_what_was_not_finished(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "y.svg"
    path.write_text("kept")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(error)) as raised:
        write_file(path, "new")
    assert (os.listdir(tmp_path), path.read_text()) == (["y.svg"], "kept")
    assert getattr(raised.value, "filename", str(path)) == str(path)
