"""Folders that are no folders of this machine: URLs that fsspec reaches, as s3://bucket/data.

A sequence is uploaded file by file, meta.json last, and its old meta.json is removed first: what has one is complete.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atvio_ros.errors import AtvioError, DatasetError

LAST_FILE = 'meta.json'  # of a sequence; the others are written before it

Place = Path | str  # a folder of this machine, or a URL


def place(text: str) -> Place:
    """A folder as a user names it: a path, file://PATH, or a URL of storage elsewhere."""
    if text.startswith('file://'):
        return Path(text.removeprefix('file://'))
    return text.rstrip('/') if re.match(r'[a-z][a-z0-9+.-]*://', text) else Path(text)


@dataclass(frozen=True)
class RemoteFolder:
    """A folder of files at a URL. Every method raises DatasetError where the storage cannot be reached."""

    url: str

    @property
    def name(self) -> str:
        """Of the folder alone."""
        return self.url.rpartition('/')[2]

    def __str__(self) -> str:
        return self.url

    def folders_with(self, file: str) -> list[RemoteFolder]:
        """Folders in this one that hold such a file, by name; hidden ones are left out."""
        with self._reached() as (storage, root):
            names = sorted(str(path).split('/')[-2] for path in storage.glob(f'{root}/*/{file}'))
        return [RemoteFolder(f'{self.url}/{name}') for name in names if not name.startswith('.')]

    def sizes(self) -> dict[str, int]:
        """The files in it with their sizes [bytes]."""
        with self._reached() as (storage, root):
            found = storage.ls(root, detail=True)
            return {str(each['name']).rpartition('/')[2]: int(each['size']) for each in found if each['type'] == 'file'}

    def read(self, file: str, most: int | None = None) -> bytes:
        """Content of a file, or its first bytes."""
        with self._reached() as (storage, root):
            return bytes(storage.cat_file(f'{root}/{file}', start=0 if most else None, end=most))

    def write(self, file: str, content: bytes) -> None:
        """Put a small file there."""
        with self._reached() as (storage, root):
            storage.pipe_file(f'{root}/{file}', content)

    def download(self, file: str, target: Path) -> None:
        """Copy a file from there."""
        with self._reached() as (storage, root):
            storage.get_file(f'{root}/{file}', str(target))

    def make(self) -> None:
        """Make it, where storage has folders at all."""
        with self._reached() as (storage, root):
            storage.makedirs(root, exist_ok=True)

    def upload(self, folder: Path) -> None:
        """Copy a folder there, LAST_FILE last."""
        files = sorted(folder.iterdir(), key=lambda path: (path.name == LAST_FILE, path.name))
        with self._reached() as (storage, root):
            if storage.exists(f'{root}/{LAST_FILE}'):
                storage.rm_file(f'{root}/{LAST_FILE}')
            for path in files:
                storage.put_file(str(path), f'{root}/{path.name}')

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """The file system and the folder's path in it. Each kind of storage has errors of its own, so all are ours."""
        from fsspec.core import url_to_fs

        try:
            yield url_to_fs(self.url)
        except AtvioError:
            raise
        except FileNotFoundError as error:
            raise DatasetError(f'{self.url} lacks {error.filename or error}. Check the URL, or prepare it.') from error
        except Exception as error:
            words = ' '.join(f'{type(error).__name__}: {error}'.split())
            raise DatasetError(
                f'{self.url} cannot be reached ({words.rstrip(".")}). Check the URL, your access to it, and that the '
                'package fsspec needs for it is installed: s3fs for s3://, gcsfs for gs://, adlfs for az://.'
            ) from error


Folder = Path | RemoteFolder


def folder_in(out: Place, name: str) -> Folder:
    """The folder `name` in a place."""
    return out / name if isinstance(out, Path) else RemoteFolder(f'{out}/{name}')


@contextmanager
def writing(folder: Folder) -> Iterator[Path]:
    """Where to write a folder on this machine: itself, or a temporary one that is uploaded when the block ends well."""
    if isinstance(folder, Path):
        yield folder
        return
    folder.make()  # what cannot be reached is told before the work, not after it
    with tempfile.TemporaryDirectory(prefix='atvio_') as temporary:
        path = Path(temporary) / folder.name
        yield path
        folder.upload(path)
