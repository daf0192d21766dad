"""Checkpoint files: written beside their target and renamed, the one before kept, and read as data, never code."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError  # the error alone: nothing here reads a pickle by itself
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from atvio_ros.errors import ModelError
from atvio_ros.files import Draft, replacing

LAST = 'last.ckpt'
BEFORE = 'before_last.ckpt'  # what last.ckpt was before it was written anew


class WholeCheckpoints(TorchCheckpointIO):  # type: ignore[misc]
    """Lightning's checkpoints, each of which takes its name when it is on the disk.

    Lightning's own writes to the folder for temporary files. Where that is another file system, it then copies over
    the target, which a kill leaves empty.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Raises FileError where it cannot be written; the older file of that name is then as it was."""
        content, path = io.BytesIO(), Path(path)
        torch.save(checkpoint, content)
        with replacing(path) as draft:
            draft.write_bytes(content.getbuffer())
            if path.name == LAST and path.is_file():
                _keep(path, path.with_name(BEFORE))

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """See read_checkpoint."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint, on the CPU. Raises ModelError, in one line that says what to do, where it is none."""
    unreadable = (
        OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, AttributeError, OverflowError,
        MemoryError, AssertionError, UnpicklingError, zipfile.BadZipFile, zlib.error, struct.error,
    )  # fmt: skip
    try:
        with zipfile.ZipFile(path) as archive:
            if (bad := archive.testzip()) is not None:  # PyTorch itself does not look at the checksums
                raise zipfile.BadZipFile(f'{bad} has another checksum')
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # about what a file says that is refused anyway
            content = torch.load(path, map_location='cpu', weights_only=True)
        if not isinstance(content, dict):
            raise TypeError(f'it holds a {type(content).__name__}')
    except unreadable as error:
        before = path.with_name(BEFORE)
        remedy = 'Start a new run in another --out.'
        if path.name == LAST and before.is_file():
            remedy = f'Go on from the one before: mv {before} {path}'
        # No word of torch's: it advises to load the file as code.
        raise ModelError(f'{path} is damaged, or no checkpoint ({type(error).__name__}). {remedy}') from error
    return content


def _keep(path: Path, as_name: Path) -> None:
    """Give what `path` holds a second name, which an older file loses."""
    with Draft(as_name) as draft:
        try:
            os.link(path, draft.path)
        except OSError:  # a file system without hard links
            draft.path.write_bytes(path.read_bytes())
        draft.publish()
