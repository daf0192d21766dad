"""Sequences of remote storage on this machine: whole, mapped like any other, together never more than a limit.

Each lies in a folder named after it and its meta.json, so what has changed there is another one here. The folder is
locked while a process uses it; to make room, those not in use go, the one used longest ago first. One process of a
machine downloads at a time, so the storage is read file after file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from atvio_ros.drives.remote import LAST_FILE, RemoteFolder
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.files import Draft, reporting

FOLDER, LIMIT = 'ATVIO_CACHE', 'ATVIO_CACHE_GB'  # of the environment: they are a machine's, and no recipe's
DEFAULT_GB = 50.0
_GB = 1_000_000_000
_HASHED_AT_ONCE = 1 << 24


def cache_folder() -> Path:
    """Where the cache lies."""
    if named := os.environ.get(FOLDER):
        return Path(named)
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'atvio_ros'


def limit_bytes() -> int:
    """How much it may hold. Raises SettingsError."""
    text = os.environ.get(LIMIT) or str(DEFAULT_GB)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 < number < 1e9:
        raise SettingsError(f'The size of the cache ({LIMIT}, --cache-gb) must be a number of GB, not {text!r}.')
    return round(number * _GB)


class Cached:
    """A sequence in the cache; it stays there while this object lives."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.release = weakref.finalize(self, os.close, lock)


def fetch(folder: RemoteFolder) -> Cached:
    """The sequence, downloaded if it is not here. Raises DatasetError: it cannot be read, is damaged, or does not fit;
    FileError where the cache cannot be written."""
    meta = folder.read(LAST_FILE)
    digest = hashlib.sha256(folder.url.encode() + b'\n' + meta).hexdigest()[:16]
    target = cache_folder() / f'{folder.name}.{digest}'
    if (cached := _hold(target)) is not None:
        return cached
    with _alone():
        if (cached := _hold(target)) is not None:  # another process has been faster
            return cached
        sizes = folder.sizes()
        _make_room(folder, sum(sizes.values()))
        with Draft(target) as draft:
            with reporting(target):
                draft.path.mkdir()
            for file, size in sizes.items():
                folder.download(file, draft.path / file)
                if (draft.path / file).stat().st_size != size:
                    raise DatasetError(f'{folder}/{file} is being changed. Try again when it is complete.')
            _check(folder, draft.path)
            draft.publish()
        cached = _hold(target)
    if cached is None:
        raise DatasetError(f'{target} vanished. Give every user of this machine a cache of their own ({FOLDER}).')
    return cached


def require_room(folders: Sequence[RemoteFolder]) -> None:
    """Raise DatasetError where not all of them fit at once."""
    needed, limit = sum(sum(folder.sizes().values()) for folder in folders), limit_bytes()
    if needed > limit:
        raise DatasetError(
            f'The {len(folders)} sequences take {needed / _GB:.3g} GB, and the cache may hold {limit / _GB:.3g} GB; '
            'training draws windows from all of them at any time. Raise --cache-gb, or name fewer in data.sequences.'
        )


def _hold(target: Path) -> Cached | None:
    """Lock it against removal; None where it is not there, or just goes."""
    try:
        lock = os.open(target, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), target.stat()):
            os.utime(target)  # when it was used
            return Cached(target, lock)
    except OSError:
        pass
    os.close(lock)
    return None


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time changes what is in the cache."""
    folder = cache_folder()
    with reporting(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / '.lock', os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _make_room(folder: RemoteFolder, needed: int) -> None:
    limit = limit_bytes()
    for litter in cache_folder().glob('.*.partial'):  # of killed processes: nobody else is at work
        shutil.rmtree(litter, ignore_errors=True)
    there = [path for path in cache_folder().iterdir() if path.is_dir()]
    free = limit - sum(map(_bytes_of, there))
    for path in sorted(there, key=lambda path: path.stat().st_mtime_ns):
        if free >= needed:
            return
        size = _bytes_of(path)
        if _remove(path):
            free += size
    if free < needed:
        raise DatasetError(
            f'{folder} takes {needed / _GB:.3g} GB, and the cache, which may hold {limit / _GB:.3g} GB, has room for '
            f'{max(0, free) / _GB:.3g} GB beside what is in use. Raise --cache-gb ({LIMIT}).'
        )


def _remove(path: Path) -> bool:
    """Remove what nobody uses."""
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = path.rename(path.with_name(f'.{path.name}.partial'))  # a killed process leaves no half under its name
    except OSError:
        return False
    finally:
        os.close(lock)
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _check(folder: RemoteFolder, copy: Path) -> None:
    """Raise DatasetError where the images are not those of meta.json."""
    digest = hashlib.sha256()
    try:
        wanted = json.loads((copy / LAST_FILE).read_bytes()).get('content_sha256', '')
        pixels = np.lib.format.open_memmap(copy / 'images.npy', mode='r').reshape(-1)
        for first in range(0, len(pixels), _HASHED_AT_ONCE):
            digest.update(pixels[first : first + _HASHED_AT_ONCE].data)
    except (OSError, ValueError, AttributeError) as error:
        raise DatasetError(f'{folder} is damaged ({error}). Prepare it again.') from error
    if wanted and digest.hexdigest() != wanted:
        raise DatasetError(f'The images of {folder} are not those that its meta.json names. Prepare it again.')
