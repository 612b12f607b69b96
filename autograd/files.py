"""Files written whole or not at all."""

import os


def write_file(path: "str | os.PathLike[str]", content: str | bytes) -> str:
    """Write a file, text as UTF-8, and return its path. What stood there before is replaced only when all is written.

    Raises OSError, naming the path, if it cannot be written; no half file is left.
    """
    target = os.path.realpath(os.fspath(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder: give the name of a file in it")
    unfinished = f"{target}.{os.getpid()}.part"
    try:
        with open(unfinished, "xb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
        os.replace(unfinished, target)
    except BaseException as error:
        if not isinstance(error, FileExistsError) and os.path.exists(unfinished):
            os.unlink(unfinished)
        if isinstance(error, OSError) and error.errno:  # the name that was asked for, not that of the unfinished file
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise
    return os.fspath(path)
