"""Files and folders that get their name only when they are whole: a killed program leaves the old one or the new one.

What is written stands in a hidden folder beside its target, `.NAME.xxxxxxxx.partial`, until all of it is on the disk;
then it takes the target's name in one step. The folder is locked while its writer lives. What a killed writer left is
removed by the next one of the same target, which can lock it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from atvio_ros.errors import FileError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux: linux/fcntl.h, linux/fs.h
_ASIDE = '.moved-aside'
MOST_BYTES = 1 << 28  # that are read at once: 15 hours of IMU readings as text
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # the disk's fault, wherever it comes up


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all. Raises FileError if it cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Content of a file or pipe. Raises OSError, also where it is longer than `most`: a device may be endless."""
    with path.open('rb') as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f'it is longer than {most / 1e6:.3g} MB', str(path))
    return content


def read_text(path: Path, most: int = MOST_BYTES, encoding: str = 'utf-8') -> str:
    """Text of a file or pipe, its line ends as Python has them. Raises OSError (read_bytes) and UnicodeDecodeError."""
    text = read_bytes(path, most).decode(encoding)
    return text.replace('\r\n', '\n').replace('\r', '\n')


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write a file to; the file becomes `path`, readable by all, when the block ends well, else is removed.

    Raises FileError if the file cannot be written, or if `path` is a folder or a device.
    """
    with Draft(path) as draft, reporting(path):
        yield draft.path
        draft.publish()


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn an OSError that comes up while `path` is written into FileError."""
    try:
        yield
    except OSError as error:
        raise FileError(
            f'{path} cannot be written: {error.strerror or _words(error)}. Make room, or choose another place.'
        ) from error


def _words(error: OSError) -> str:
    return f'{error} (is the disk full?)'  # numpy's, for example: bytes requested and bytes written


class Draft:
    """Context manager for a file or folder in the making: write it to `path`, then give it its name with `publish`.

    Leaving the context without `publish` leaves the target as it was. The target's folder must exist. Raises FileError
    if nothing can be written there.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._lock = -1

    def __enter__(self) -> Draft:
        with reporting(self._target):
            _clear(self._target)
            self._folder, self._lock = _locked_folder(self._target)
        self.path = self._folder / self._target.name
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def publish(self, replace: bool = True) -> None:
        """Put what stands at `path` on the disk and give it the target's name.

        An older file or folder of that name goes, unless `replace` is False. Raises FileError: it cannot be written, or
        something of another kind, or anything at all if `replace` is False, has that name.
        """
        with reporting(self._target):
            is_folder = self.path.is_dir()
            if os.path.lexists(self._target):
                if not replace:
                    raise FileError(f'{self._target} exists already. Choose another name.')
                if not (self._target.is_dir() if is_folder else self._target.is_file()):
                    kind = 'folder' if is_folder else 'regular file'
                    raise FileError(f'{self._target} is not a {kind}, so none is written there. Choose another name.')
            if is_folder:
                for part in self.path.rglob('*'):
                    _sync(part)
            else:
                self.path.chmod(0o644)  # some libraries write files that only their owner may read
            _sync(self.path)
            if is_folder and self._target.exists():
                _replace_folder(self.path, self._target)
            else:
                self.path.rename(self._target)  # of a file: replaces an older one; of a folder: fails if there is one
            _sync(self._target.parent)


def moved_aside(parent: Path) -> list[Path]:
    """Folders that are missing in `parent` because their writer was killed while it replaced them, by name.

    This comes up only where the file system cannot exchange two names in one step. The next writer of such a folder
    puts the old one back.
    """
    targets = (path.with_name(path.name[1 : -len(_ASIDE)]) for path in parent.glob(f'.*{_ASIDE}'))
    return sorted(target for target in targets if not target.exists())


def _aside(target: Path) -> Path:
    return target.with_name(f'.{target.name}{_ASIDE}')


def _replace_folder(new: Path, target: Path) -> None:
    if _exchange(new, target):  # the old one is now the draft, and goes with it
        return
    old = _aside(target)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2  # Python has no name for it
    except (AttributeError, OSError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _clear(target: Path) -> None:
    """Undo what writers of `target` that were killed left: put back a folder that was moved away, remove drafts."""
    old = _aside(target)
    if old.is_dir() and not old.is_symlink():
        if os.path.lexists(target):
            shutil.rmtree(old)
        else:
            old.rename(target)
    draft = re.compile(rf'\.{re.escape(target.name)}\.([a-z0-9_]{{8}}\.)?partial')
    for path in target.parent.iterdir():
        if draft.fullmatch(path.name) and (lock := _try_lock(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _locked_folder(target: Path) -> tuple[Path, int]:
    """A new folder beside the target that is locked until the descriptor is closed."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f'.{target.name}.', suffix='.partial'))
        with suppress(FileNotFoundError):  # another writer took it for litter before it was locked
            lock = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks, where litter stays
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _try_lock(folder: Path) -> int | None:
    """A descriptor that locks the folder of a writer that is dead; None while it lives, or if nobody can tell."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _sync(path: Path) -> None:
    """Have a file or folder on the disk, so that its new name cannot outlive a power cut without its content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):  # some file systems cannot do it for folders
            raise
    finally:
        os.close(descriptor)
