"""Limits on bags: a small file must not unpack to more than memory holds, nor keep a reader busy endlessly."""

from __future__ import annotations

import bz2
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import apsw
import lz4.frame  # type: ignore[import-untyped]
import yaml

from atvio_ros.errors import BagError
from atvio_ros.files import read_text

if TYPE_CHECKING:
    from rosbags.rosbag2.storage_mcap import ChunkInfo

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor
else:
    from backports.zstd import ZstdDecompressor

MAX_CHUNK_BYTES = 1 << 28  # unpacked; writers close a chunk after some megabytes, and no camera's image is larger
MAX_OPEN_CHUNKS_BYTES = 1 << 30  # of chunks that overlap in time and so are unpacked at once
MAX_METADATA_BYTES = 4 << 20
MAX_EXPANSION = 100  # a bag compressed as a whole; images shrink to a half, an empty table to a tenth
FREE_EXPANSION_BYTES = 1 << 30  # ... which this much may exceed
_DATABASE_STEPS_PER_BYTE = 4  # of a scan that counts rows: a row takes some 20 bytes and a dozen steps
_BLOCK_BYTES = 1 << 20


class Decompressor(Protocol):
    """What bz2, lz4 and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def expand(make: Callable[[], Decompressor], data: bytes, limit: int = MAX_CHUNK_BYTES) -> bytes:
    """All frames in `data`, unpacked piece by piece. Raises BagError beyond `limit` bytes, EOFError when cut short."""
    parts: list[bytes] = []
    room = limit
    while data:
        decompressor = make()
        while not decompressor.eof:
            part = decompressor.decompress(data, min(room + 1, _BLOCK_BYTES))
            data = b''
            room -= len(part)
            if room < 0:
                raise BagError(
                    f'A compressed part of the bag unpacks to more than the {limit} bytes that are accepted.'
                    ' If the bag is sound, unpack it with the tools that recorded it; or else copy it again.'
                )
            if not part and decompressor.needs_input:
                raise EOFError('Compressed data end before their end marker.')
            parts.append(part)
        data = decompressor.unused_data or b''
    return b''.join(parts)


def expand_zstd(data: bytes) -> bytes:
    """A compressed message; see expand."""
    return expand(ZstdDecompressor, data)


def _chunk_expander(make: Callable[[], Decompressor]) -> Callable[[bytes, int], bytes]:
    return lambda data, size: expand(make, data, min(size, MAX_CHUNK_BYTES))


# rosbags unpacks a chunk whole before it looks at the size; these take the place of its own unlimited functions.
_EXPANDERS: tuple[tuple[str, str, dict[str, Callable[..., bytes]]], ...] = (
    (
        'rosbags.rosbag2.storage_mcap',
        'DECOMPRESSORS',
        {'lz4': _chunk_expander(lz4.frame.LZ4FrameDecompressor), 'zstd': _chunk_expander(ZstdDecompressor)},
    ),
    (
        'rosbags.rosbag1.reader',
        'decompressors',
        {
            'lz4': lambda data: expand(lz4.frame.LZ4FrameDecompressor, data),
            'bz2': lambda data: expand(bz2.BZ2Decompressor, data),
        },
    ),
)
# What else is used of rosbags beside the names it documents.
_INTERNALS = (
    ('rosbags.rosbag2.storage_mcap', 'McapReader'),
    ('rosbags.rosbag2.storage_mcap', 'ChunkInfo'),
    ('rosbags.rosbag2.reader', 'DirectoryReader'),
)


def limit_rosbags(load: Callable[[str], Any] = import_module) -> None:
    """Have rosbags unpack no more than the limits above, in all it reads from now on; `load` imports its modules.

    Raises BagError when rosbags no longer has what is replaced or looked into: it would then read without limits.
    """
    module = name = ''
    try:
        for module, name in _INTERNALS:
            getattr(load(module), name)
        for module, name, expanders in _EXPANDERS:
            table = getattr(load(module), name)
            if not expanders.keys() <= table.keys():
                raise AttributeError
            table.update(expanders)
    except (ImportError, AttributeError) as error:
        raise BagError(
            f'rosbags {version("rosbags")} has changed {module}.{name}, through which this package limits what a bag '
            'may unpack to. Install a version it was tested with: pip install "rosbags>=0.11,<0.12".'
        ) from error


def check_files(path: Path) -> None:
    """Refuse, before a library opens them, files of a bag that are no files, too large or no plain description.

    Raises BagError; OSError where a file cannot be read.
    """
    files = [path] if path.is_file() else [file for file in path.iterdir() if not file.is_dir()]
    for file in files:
        if not file.is_file():  # a device or a pipe has no end
            raise BagError(f'{file} is not a regular file. Copy the bag again.')
        if file.suffix == '.db3':
            _check_database(file)
        elif file.suffix == '.zstd':
            _check_expansion(file)
    if path.is_dir():
        _check_metadata(path / 'metadata.yaml')


def check_chunks(path: Path, chunks: Iterable[ChunkInfo]) -> None:
    """Refuse a chunk index that would have too much unpacked at once. Raises BagError."""
    changes: list[tuple[int, int]] = []
    for chunk in chunks:
        if chunk.uncompressed_size > MAX_CHUNK_BYTES:
            raise BagError(
                f'{path} has a chunk of {chunk.uncompressed_size} bytes; at most {MAX_CHUNK_BYTES} are accepted. '
                'Write it again with smaller chunks: `mcap recover` or `ros2 bag convert`.'
            )
        changes += [
            (chunk.message_start_time, chunk.uncompressed_size),
            (chunk.message_end_time + 1, -chunk.uncompressed_size),
        ]
    opened = 0
    for _, change in sorted(changes):
        opened += change
        if opened > MAX_OPEN_CHUNKS_BYTES:
            raise BagError(
                f'{path} has chunks that overlap in time and together hold more than {MAX_OPEN_CHUNKS_BYTES} bytes. '
                'Write it again in the order of time: `mcap sort` or `ros2 bag convert`.'
            )


def _check_database(file: Path) -> None:
    """Tables and indices only, and no more rows than the file has room for.

    Views, virtual tables and generated columns compute what is read; pages that refer to one another in a ring or many
    times over make a small file an endless table.
    """
    connection = apsw.Connection(
        f'{file.resolve().as_uri()}?immutable=1', flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    try:
        connection.execute('PRAGMA trusted_schema = OFF')
        (promised_bytes,) = connection.execute(
            'SELECT page_count * page_size FROM pragma_page_count, pragma_page_size'
        ).fetchall()[0]
        if int(str(promised_bytes)) > file.stat().st_size:
            raise BagError(
                f'{file} is cut short: {promised_bytes} bytes are expected, {file.stat().st_size} are there. '
                'Copy it again, or record again.'
            )
        names: list[str] = []
        for kind, name, sql in connection.execute('SELECT type, name, sql FROM sqlite_master').fetchall():
            virtual = kind == 'table' and str(sql).split()[:2][-1:] == ['VIRTUAL']
            if kind not in ('table', 'index') or virtual:
                raise BagError(
                    f'{file} holds a {kind} {name!r:.80}, where a bag has plain tables and indices only.'
                    ' Write it again with `ros2 bag convert`.'
                )
            names += [str(name)] if kind == 'table' else []
        for name in names:
            columns = connection.execute('SELECT hidden FROM pragma_table_xinfo(?)', (name,)).fetchall()
            if any(hidden for (hidden,) in columns):
                raise BagError(
                    f'{file} has a table {name!r:.80} with computed columns; no bag has these.'
                    ' Write it again with `ros2 bag convert`.'
                )
        steps_left = 1 + _DATABASE_STEPS_PER_BYTE * file.stat().st_size // 1000

        def too_long() -> bool:
            nonlocal steps_left
            steps_left -= 1
            return steps_left < 0

        connection.set_progress_handler(too_long, 1000)
        for name in {'messages', 'topics', 'message_definitions'} & set(names):
            connection.execute(f'SELECT sum(rowid & 1) FROM {name}').fetchall()
    except apsw.InterruptError:
        raise BagError(f'{file} has more rows than it has room for: it is damaged. Copy it again.') from None
    finally:
        connection.close()


def _check_expansion(file: Path) -> None:
    limit = FREE_EXPANSION_BYTES + MAX_EXPANSION * file.stat().st_size
    total, decompressor = 0, ZstdDecompressor()
    with file.open('rb') as compressed:
        while block := compressed.read(_BLOCK_BYTES):
            while block or not (decompressor.needs_input or decompressor.eof):
                if decompressor.eof:
                    decompressor = ZstdDecompressor()
                total += len(decompressor.decompress(block, _BLOCK_BYTES))
                block = decompressor.unused_data if decompressor.eof else b''
                if total > limit:
                    raise BagError(f'{file} unpacks to more than {limit} bytes. Unpack it yourself if that is right.')


def _check_metadata(file: Path) -> None:
    """No references: a few lines of them can stand for gigabytes, and no recorder writes any."""
    if file.stat().st_size > MAX_METADATA_BYTES:
        raise BagError(
            f'{file} has {file.stat().st_size} bytes; at most {MAX_METADATA_BYTES} are accepted. '
            '`ros2 bag reindex` writes it anew.'
        )
    try:
        for event in yaml.parse(read_text(file, MAX_METADATA_BYTES), Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise BagError(
                    f'{file} holds YAML references (*{event.anchor:.40}); `ros2 bag reindex` writes a plain one.'
                )
    except yaml.YAMLError as error:
        raise BagError(
            f'{file} is not YAML: {" ".join(str(error).split())[:300]}. `ros2 bag reindex` writes it anew.'
        ) from error
