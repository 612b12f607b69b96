"""Files written whole or not at all."""

import errno
import os
import secrets
from contextlib import suppress


def write_file(path: "str | bytes | os.PathLike[str]", content: str | bytes) -> str:
    """Write a file, text as UTF-8, and return its path. What stood there before is replaced only when all is written.

    A file that is replaced keeps its permissions; a pipe or a device is written into. Raises OSError, naming the path, if it
    cannot be written; no half file is left.
    """
    name = os.fsdecode(path)
    data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    if os.path.isdir(name):
        raise IsADirectoryError(f"{name!r} is a folder: give the name of a file in it")
    try:
        if os.path.exists(name) and not os.path.isfile(name):
            with open(name, "wb") as file:
                file.write(data)
        else:
            replace(os.path.realpath(name), data)
    except OSError as error:
        if not error.errno:
            raise
        # the name that was asked for, not that of the unfinished file
        raise OSError(error.errno, error.strerror, name) from None
    return name


def replace(target: str, data: bytes) -> None:
    """Write a file beside the target, then put it in the target's place."""
    folder, exists = os.path.dirname(target), os.path.exists(target)
    check(folder, target)
    unfinished = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    try:
        with open(unfinished, "xb") as file:  # with the permissions that are usual here
            if exists:
                os.chmod(unfinished, os.stat(target).st_mode & 0o7777)
            file.write(data)
        os.replace(unfinished, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise


def check(folder: str, target: str) -> None:
    """Raise OSError, saying plainly what is in the way, for what a system's own message leaves open."""
    if not os.path.isdir(folder):
        if os.path.exists(folder):
            raise OSError(errno.ENOTDIR, f"{os.strerror(errno.ENOTDIR)}: {folder!r} is a file, not a folder")
        raise OSError(errno.ENOENT, f"{os.strerror(errno.ENOENT)}: there is no folder {folder!r}")
    if not os.access(folder, os.W_OK):
        raise OSError(errno.EACCES, f"{os.strerror(errno.EACCES)}: the folder {folder!r} is read-only")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, f"{os.strerror(errno.EACCES)}: the file is read-only")
