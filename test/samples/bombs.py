"""Small files that claim or unpack to far more than they hold, for the tests."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import apsw

from samples.bags import TYPESTORE, drive_messages

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BOMB_BYTES = 1 << 31  # what unpacks beyond every limit


def zeros_zstd(size: int = BOMB_BYTES) -> bytes:
    """`size` zeros, packed in frames of 64 MiB."""
    block = 1 << 26
    return zstd.compress(bytes(block)) * (size // block)


def mcap_chunk_bomb(path: Path, stored_size: int) -> Path:
    """Turn the chunk of an mcap of ours into one that unpacks to 2 GiB and claims `stored_size`."""
    content = path.read_bytes()
    summary = content[storage_offset(content) :]
    head = content[: content.index(b'\x06', 8 + 1 + 8)]  # magic and header record; the chunk comes next
    chunk_start = len(head)
    bomb = zeros_zstd()
    body = struct.pack('<QQQI', 0, 1 << 62, stored_size, 0) + string('zstd') + struct.pack('<Q', len(bomb)) + bomb
    chunk = b'\x06' + struct.pack('<Q', len(body)) + body
    index = struct.pack('<QQQQ', 0, 1 << 62, chunk_start, len(chunk))
    channels = b''.join(struct.pack('<HQ', channel, chunk_start) for channel in range(1, 9))
    index += (
        struct.pack('<I', len(channels))
        + channels
        + struct.pack('<Q', 8 * 1000)
        + string('zstd')
        + struct.pack('<QQ', len(bomb), stored_size)
    )
    kept = records(summary, {0x03, 0x04, 0x0B})
    summary_start = len(head) + len(chunk)
    footer = b'\x02' + struct.pack('<Q', 20) + struct.pack('<QQI', summary_start, 0, 0)
    indices = b'\x08' + struct.pack('<Q', len(index)) + index
    path.write_bytes(head + chunk + kept + indices + footer + b'\x89MCAP0\r\n')
    return path


def storage_offset(content: bytes) -> int:
    """Where the summary of an mcap begins."""
    return int(struct.unpack('<Q', content[-28:-20])[0])


def records(content: bytes, kinds: set[int]) -> bytes:
    """The records of some kinds from a run of them."""
    kept, position = b'', 0
    while position + 9 <= len(content) and content[position] != 0x02:
        end = position + 9 + struct.unpack('<Q', content[position + 1 : position + 9])[0]
        kept += content[position:end] if content[position] in kinds else b''
        position = end
    return kept


def string(text: str) -> bytes:
    return struct.pack('<I', len(text)) + text.encode()


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG header with whatever follows."""
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + png_chunk(b'IHDR', head) + b''.join(chunks)


def png_chunk(kind: bytes, data: bytes, claimed: int | None = None) -> bytes:
    size = len(data) if claimed is None else claimed
    return struct.pack('>I', size) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def database(path: Path, *statements: str) -> Path:
    """A sqlite bag with one message and whatever else the statements make of it."""
    topic, stamp_ns, message = drive_messages()[0]
    connection = apsw.Connection(str(path))
    connection.execute(
        'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT,'
        ' offered_qos_profiles TEXT);'
        'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)'
    )
    connection.execute('INSERT INTO topics VALUES(1, ?, ?, ?, ?)', (topic, message.__msgtype__, 'cdr', ''))
    cdr = bytes(TYPESTORE.serialize_cdr(message, message.__msgtype__))
    connection.execute('INSERT INTO messages VALUES(1, 1, ?, ?)', (stamp_ns, cdr))
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return path
