"""Any bag that `rosbags` opens, with whatever a damaged one raises turned into BagError."""

from __future__ import annotations

import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import apsw
from rosbags.interfaces import Connection, ConnectionExtRosbag1, QosDurability, QosReliability
from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag1 import ReaderError as Rosbag1Error
from rosbags.rosbag2 import Reader as Rosbag2Reader
from rosbags.rosbag2 import ReaderError as Rosbag2Error
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError

from atvio_ros import messages
from atvio_ros.bags.limits import check_chunks, check_files, expand_zstd, limit_rosbags
from atvio_ros.bags.typestore import TYPESTORE
from atvio_ros.errors import BagError

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError
else:
    from backports.zstd import ZstdError

# What rosbags and the libraries below it (sqlite, zstd, lz4, bz2, struct) were seen to raise on damaged files. Only
# calls into them are guarded with this, so that it cannot hide an error of ours.
DAMAGE = (
    Rosbag1Error,
    Rosbag2Error,
    SerdeError,
    TypesysError,
    ZstdError,
    apsw.Error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)
# Types whose bytes differ between ROS 1 and ROS 2 only in the header's sequence number.
SAME_IN_ROS1 = (
    messages.IMAGE,
    messages.COMPRESSED_IMAGE,
    messages.CAMERA_INFO,
    messages.IMU,
    *messages.POSE_TYPES,
    messages.PATH,
    messages.TF_MESSAGE,
)
STAMPED = frozenset(SAME_IN_ROS1) - {messages.TF_MESSAGE}  # whose header comes first
FORMS = 'a ROS 1 .bag file, a rosbag2 folder (mcap or sqlite3), or a single .mcap or .db3 file'


@dataclass(frozen=True)
class RawMessage:
    """One message in CDR form, with the QoS it was recorded with."""

    topic: str
    type_name: str  # 'sensor_msgs/msg/Imu'
    log_stamp_ns: int
    cdr: bytes
    reliable: bool
    transient_local: bool


class BagStorage:
    """Context manager over the connections and raw messages of one bag. Raises BagError on a missing or damaged one.

    The message definitions that bags carry are not used: rosbags would turn them into Python code and run it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self._messages_compressed = False
        _require_bag(path)
        limit_rosbags()
        with self._damage_reported():
            check_files(path)
            is_ros1 = path.is_file() and path.suffix == '.bag'
            self._reader: Rosbag1Reader | Rosbag2Reader = Rosbag1Reader(path) if is_ros1 else Rosbag2Reader(path)

    def __enter__(self) -> BagStorage:
        with self._damage_reported():
            self._reader.open()
        try:
            with self._damage_reported():
                self._prepare()
        except BagError:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the bag's files."""
        self._reader.close()

    @property
    def is_ros1(self) -> bool:
        """Whether it is a ROS 1 bag; its messages are handed out in ROS 2's form nevertheless."""
        return isinstance(self._reader, Rosbag1Reader)

    @property
    def extent_ns(self) -> tuple[int, int]:
        """Log stamps [ns] of the first and the last message of the bag."""
        return self._reader.start_time, self._reader.end_time

    def messages(self, connections: Collection[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        """(connection, log stamp [ns], CDR bytes) of these connections, in the order of the log stamps.

        Raises BagError where the bag is damaged, also when it ends with fewer messages than its index lists.
        """
        if not connections:
            return
        promised = {connection.topic: 0 for connection in connections}
        for connection in connections:
            promised[connection.topic] += connection.msgcount
        found: Counter[str] = Counter()
        with self._damage_reported():
            raw_messages = self._reader.messages(connections)
        while True:
            with self._damage_reported():
                entry = next(raw_messages, None)
            if entry is None:
                break
            connection, stamp_ns, raw = entry
            found[connection.topic] += 1
            if self._messages_compressed:
                with self._damage_reported():
                    raw = expand_zstd(raw)
            if self.is_ros1:
                with self._damage_reported():
                    raw = TYPESTORE.ros1_to_cdr(raw, connection.msgtype).tobytes()
                if connection.msgtype in STAMPED and int.from_bytes(raw[4:8], 'little', signed=True) < 0:
                    raise BagError(
                        f'{self.path}: message {found[connection.topic]} on {connection.topic} is stamped after 2038, '
                        'which ROS 2 has no stamps for. Set the clock of the recorder.'
                    )
            yield connection, stamp_ns, raw
        for topic, count in promised.items():
            if found[topic] < count:
                raise BagError(
                    f'{self.path} lists {count} messages on {topic} but holds {found[topic]}. '
                    'It is damaged or a part is missing; `ros2 bag reindex` helps where only the index is wrong.'
                )

    def raw_messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """All messages, or those of some topics, in the order of the log stamps, ready to be published as they are.

        From a ROS 1 bag only the types that ROS 2 has in the same form (see SAME_IN_ROS1). Raises BagError.
        """
        connections = [
            connection
            for connection in self.connections
            if (topics is None or connection.topic in topics)
            and (not self.is_ros1 or connection.msgtype in SAME_IN_ROS1)
        ]
        for connection, stamp_ns, cdr in self.messages(connections):
            yield RawMessage(connection.topic, connection.msgtype, stamp_ns, cdr, *_qos(connection))

    def deserialize(self, connection: Connection, cdr: bytes) -> Any:
        """A message from its CDR bytes. Raises one of DAMAGE when they do not fit the type."""
        return TYPESTORE.deserialize_cdr(cdr, connection.msgtype)

    def _prepare(self) -> None:
        self.connections = list(self._reader.connections)
        for connection in self.connections:
            if not (isinstance(connection.topic, str) and isinstance(connection.msgtype, str)):
                raise BagError(
                    f'{self.path} has a topic whose name or type is not text. Its index is damaged. Copy the bag again.'
                )
            if not (isinstance(connection.msgcount, int) and connection.msgcount >= 0):
                raise BagError(
                    f'{self.path} counts {connection.msgcount!r:.40} messages on {connection.topic}.'
                    ' Its index is damaged: copy the bag again.'
                )
        if isinstance(self._reader, Rosbag1Reader):
            return
        from rosbags.rosbag2.reader import DirectoryReader  # not documented; limit_rosbags has found them there
        from rosbags.rosbag2.storage_mcap import McapReader

        storage = self._reader.storage
        parts = storage.storages if isinstance(storage, DirectoryReader) else [storage]
        for part in parts:
            if isinstance(part, McapReader):
                check_chunks(self.path, part.chunks)
        if isinstance(storage, DirectoryReader) and storage.metadata.compression_mode == 'message':
            self._messages_compressed = True
            storage.metadata = storage.metadata._replace(compression_mode=None)  # rosbags would unpack without limit

    @contextmanager
    def _damage_reported(self) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            raise BagError(
                f'{self.path} cannot be read as a bag: {summary(error)}. It is damaged, cut short or still being '
                f'written, or it is not {FORMS}.'
                ' Copy it again, or record again.'
            ) from error


def _qos(connection: Connection) -> tuple[bool, bool]:
    """(reliable, transient local) of a connection; reliable where the bag has none."""
    if isinstance(connection.ext, ConnectionExtRosbag1):
        return True, bool(connection.ext.latching)
    profiles = connection.ext.offered_qos_profiles
    return (
        all(profile.reliability != QosReliability.BEST_EFFORT for profile in profiles),
        any(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in profiles),
    )


def summary(error: BaseException) -> str:
    """An error of a library in one line, without its final stop."""
    text = ' '.join(str(argument) for argument in error.args) or type(error).__name__
    return ' '.join(text.split()).rstrip('.')[:300]


def _require_bag(path: Path) -> None:
    if not path.exists():
        raise BagError(f'There is no bag {path}. Check the path.')
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        raise BagError(
            f'{path} is a folder without metadata.yaml, so it is not a rosbag2 folder. If its recording was '
            'interrupted, `ros2 bag reindex` rebuilds that file; if it holds bags, name one of them.'
        )
