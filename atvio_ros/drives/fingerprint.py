"""Whether a bag is prepared already, so that it need not be prepared again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from atvio_ros.drives.exclusions import check_excluded
from atvio_ros.drives.remote import Folder
from atvio_ros.drives.sequence_store import PreparedSequence, Ranges, images_shape, read_meta, write_meta
from atvio_ros.errors import BagError, DatasetError

_SAMPLED_BYTES = 1 << 20  # of each end of a file: hashing whole bags would take as long as preparing them


def fingerprint(bag: Path, options: Sequence[object]) -> str:
    """Sixteen hex digits that change with the bag's files (names, sizes, both ends of each) or with the options."""
    digest = hashlib.sha256(repr(tuple(options)).encode())
    files = sorted(path for path in bag.rglob('*') if path.is_file()) if bag.is_dir() else [bag]
    try:
        for path in files:
            size = path.stat().st_size
            digest.update(f'{path.name} {size}'.encode())
            with path.open('rb') as file:
                digest.update(file.read(_SAMPLED_BYTES))
                file.seek(max(0, size - _SAMPLED_BYTES))
                digest.update(file.read(_SAMPLED_BYTES))
    except OSError as error:
        raise BagError(f'{bag} cannot be read: {error.strerror}. Check the file and its permissions.') from error
    return digest.hexdigest()[:16]


def keep_prepared(folder: Folder, wanted: str, excluded: Ranges) -> bool:
    """Whether `folder` already holds what `wanted` fingerprints; its list of excluded stretches is then brought up
    to date. False: prepare it (again). Raises DatasetError when a stretch goes beyond the last image."""
    try:
        meta = read_meta(folder)
        if isinstance(folder, Path):
            PreparedSequence(folder)
        else:
            images_shape(folder)
    except DatasetError:
        return False
    if meta.fingerprint != wanted:
        return False
    check_excluded(folder.name, excluded, meta.images)
    if meta.excluded != excluded:
        write_meta(folder, replace(meta, excluded=excluded))
    return True
