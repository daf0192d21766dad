"""Reads a matrix of numbers from a MATLAB file (level 5: v6 and v7, packed or not).

scipy's reader crashes the process on damaged files, unpacks without limit, and reads far more than matrices.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atvio_ros.errors import DatasetError
from atvio_ros.files import read_bytes
from atvio_ros.types import FloatArray

MAX_BYTES = 1 << 28  # of the file and of one unpacked variable: 15 hours of readings
_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC_CLASSES = range(6, 16)  # double, single, and the integers
_TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8', 13: 'u8'}
_COMPLEX = 0x0800


def read_matrix(path: Path, key: str) -> FloatArray:
    """The real matrix named `key`, of any shape, as float64.

    Follows "MAT-File Format", The MathWorks, chapter 1. Raises DatasetError when the file is missing, damaged, of
    another version or too large, or has no such matrix.
    """
    try:
        content = memoryview(read_bytes(path, MAX_BYTES))
    except FileNotFoundError:
        raise DatasetError(f'There is no IMU file {path}. Check the path.') from None
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}. Check the file and its permissions.') from error
    order = {b'IM': '<', b'MI': '>'}.get(bytes(content[126:_HEADER_BYTES]))
    if order is None:
        raise DatasetError(f'{path} cannot be read as a MATLAB file of version 6 or 7. Save it with -v7 or as text.')
    if struct.unpack_from(f'{order}H', content, 124)[0] != 0x0100:
        raise DatasetError(f'{path} is a MATLAB 7.3 file. Save it with -v7 or as a text table.')
    found: list[str] = []
    try:
        for parts in _matrices(path, content[_HEADER_BYTES:], order):
            name = bytes(parts[2][1]).decode('latin-1')
            if name == key:
                return _numbers(path, key, parts, order)
            found.append(name[:80])
    except (struct.error, zlib.error, IndexError, ValueError) as error:
        raise DatasetError(
            f'{path} cannot be read as a MATLAB file: it is damaged ({error}). Copy it again.'
        ) from error
    raise DatasetError(f'{path} has no {key}; it holds {", ".join(found[:20]) or "nothing"}. Rename it there.')


def _matrices(path: Path, content: memoryview, order: str) -> Iterator[list[tuple[int, memoryview]]]:
    """The parts of each variable: flags, dimensions, name, values."""
    for kind, data in _elements(content, order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(data, MAX_BYTES + 1)
            if len(unpacked) > MAX_BYTES:
                raise DatasetError(f'{path} unpacks to more than {MAX_BYTES} bytes. Save it as a text table.')
            kind, data = next(_elements(memoryview(unpacked), order), (0, data))
        if kind == _MATRIX:
            yield list(_elements(data, order))


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """(type, data) of a run of elements; data of up to four bytes lie within the tag."""
    position = 0
    while position + 8 <= len(content):
        kind, size = struct.unpack_from(f'{order}II', content, position)
        start, room = position + 8, len(content) - position - 8
        small = kind >> 16 > 0
        if small:
            kind, size, start, room = kind & 0xFFFF, kind >> 16, position + 4, 4
        if size > room:
            raise ValueError('an element is longer than what holds it')
        yield kind, content[start : start + size]
        position += 8 if small else 8 + size + (0 if kind == _COMPRESSED else -size % 8)


def _numbers(path: Path, key: str, parts: list[tuple[int, memoryview]], order: str) -> FloatArray:
    (flags,) = struct.unpack_from(f'{order}I', parts[0][1])
    if (flags & 0xFF) not in _NUMERIC_CLASSES or flags & _COMPLEX or parts[3][0] not in _TYPES:
        raise DatasetError(f'{path}: {key} is not a table of numbers. Copy or download it again.')
    shape = np.frombuffer(parts[1][1], f'{order}i4').tolist()
    values = np.frombuffer(parts[3][1], order + _TYPES[parts[3][0]])
    if min(shape, default=0) < 0:
        raise ValueError(f'its shape is {shape}')
    return np.ascontiguousarray(values.reshape(shape, order='F'), dtype=np.float64)
