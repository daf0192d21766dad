"""Topic and frame names of our bags, and the choice of topics in bags of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection

from atvio_ros import messages
from atvio_ros.errors import BagError, SettingsError

IMAGE_TOPIC = '/camera/image_raw'
CAMERA_INFO_TOPIC = '/camera/camera_info'
IMU_TOPIC = '/imu/data_raw'
GROUND_TRUTH_TOPIC = '/ground_truth/odometry'
STATIC_TRANSFORM_TOPIC = '/tf_static'
TRANSFORM_TOPIC = '/tf'
ODOMETRY_TOPIC = '/odometry'
PATH_TOPIC = '/path'
POSE_TOPIC = '/odometry/pose'  # the poses of /odometry once more, for viewers that do not draw that
TRUTH_PATH_TOPIC = '/ground_truth/path'
DEBUG_IMAGE_TOPIC = '/atvio_node/debug_image'
RIG_TOPIC = '/rig'  # what camera_info and /tf_static cannot say of the robot, as the text of a rig.yaml

ODOM_FRAME = 'odom'
BASE_FRAME = 'base_link'
IMU_FRAME = 'imu_link'
CAMERA_FRAME = 'camera'  # optical axes: z forward, x right, y down (REP 103)


@dataclass(frozen=True)
class Topics:
    """Topics of a bag. In a request None leaves the choice open; in an answer None means that none was found."""

    image: str | None = None
    imu: str | None = None
    ground_truth: str | None = None


@dataclass(frozen=True)
class Span:
    """A part of a bag, in seconds after its first message (log time); infinite: to the end."""

    from_s: float = 0.0
    to_s: float = math.inf

    def __post_init__(self) -> None:
        if not 0.0 <= self.from_s < self.to_s:
            raise SettingsError(
                f'--from {self.from_s:g} and --to {self.to_s:g} are no part of a bag. Give both in seconds after '
                'its first message: 0 or more, --from the smaller.'
            )

    @property
    def name(self) -> str:
        """For names of files: 'from10_to60'."""
        return f'from{self.from_s:g}' + ('' if math.isinf(self.to_s) else f'_to{self.to_s:g}')

    @property
    def words(self) -> str:
        """For people: 'from 10 s to 60 s'."""
        return f'from {self.from_s:g} s' + (' on' if math.isinf(self.to_s) else f' to {self.to_s:g} s')


@dataclass(frozen=True)
class TopicKind:
    """What a topic must be to serve a purpose."""

    noun: str
    default: str
    types: tuple[str, ...]
    option: str
    guess: bool  # whether the only topic of the right type may stand in for the default


IMAGE_KIND = TopicKind('images', IMAGE_TOPIC, (messages.IMAGE, messages.COMPRESSED_IMAGE), '--image-topic', True)
IMU_KIND = TopicKind('IMU readings', IMU_TOPIC, (messages.IMU,), '--imu-topic', True)
# Never guessed: the only odometry in a bag is more likely that of some wheels than the truth.
GROUND_TRUTH_KIND = TopicKind(
    'ground truth',
    GROUND_TRUTH_TOPIC,
    (*messages.POSE_TYPES, messages.NAV_SAT_FIX),
    '--ground-truth-topic',
    guess=False,
)


def choose_topic(path: Path, connections: Sequence[Connection], kind: TopicKind, asked: str | None) -> str:
    """The topic asked for; without one the default; if the bag lacks that, the only one of the right type.

    Raises BagError that lists the topics of the bag `path` and names the option to choose with.
    """
    fitting = sorted({c.topic for c in connections if c.msgtype in kind.types and c.msgcount > 0})
    wanted = asked or kind.default
    if wanted in fitting:
        return wanted
    if asked is None and kind.guess and len(fitting) == 1:
        return fitting[0]
    types = ' or '.join(kind.types)
    if asked is not None:
        problem = f'has no {kind.noun} ({types}) on {asked}'
    elif len(fitting) > 1 and kind.guess:
        problem = f'has no {kind.default} and several topics with {kind.noun}: {", ".join(fitting)}'
    else:
        problem = f'has no {kind.noun} ({types})' if kind.guess else f'has no {kind.noun} on {kind.default}'
    hint = f' Choose one with {kind.option}.' if fitting else ' Record one, or give another bag.'
    raise BagError(f'{path} {problem}.{hint} It holds {_listing(connections)}.')


def _listing(connections: Sequence[Connection]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for connection in connections:
        key = (connection.topic, connection.msgtype)
        counts[key] = counts.get(key, 0) + connection.msgcount
    if not counts:
        return 'no topics at all'
    return ', '.join(f'{topic} ({type_name}, {count} messages)' for (topic, type_name), count in sorted(counts.items()))
