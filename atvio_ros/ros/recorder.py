"""Records what a robot publishes for some seconds into a bag, for the checks that read bags."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from atvio_ros import messages
from atvio_ros.bags.topics import (
    CAMERA_INFO_TOPIC,
    IMAGE_KIND,
    IMU_KIND,
    RIG_TOPIC,
    STATIC_TRANSFORM_TOPIC,
    TopicKind,
    Topics,
)
from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import NodeError
from atvio_ros.ros.conversions import message_class

DISCOVERY_S = 10.0  # that publishers have to be found
FIRST_MESSAGES_S = 10.0  # and then that their first messages have to come
SETTLED_S = 2.0  # after the first publisher: others are found a little later
DEPTH, IMAGE_DEPTH = 5000, 200  # messages that may wait while a large image is written
OWN_IMAGES = '/debug_image'  # what atvio_node draws is no camera's


@dataclass(frozen=True)
class LiveTopics:
    """Topics to listen to; None leaves the choice open."""

    image: str | None = None
    imu: str | None = None
    camera_info: str | None = None
    ground_truth: str | None = None

    @property
    def in_bag(self) -> Topics:
        """Under which the bag has them."""
        return Topics(self.image, self.imu, self.ground_truth)


@dataclass
class _Tally:
    """What has come so far, by topic."""

    counts: dict[str, int] = field(default_factory=dict)

    def missing(self, topics: LiveTopics) -> list[str]:
        named = (('images', topics.image), ('IMU readings', topics.imu))
        return [f'{noun} on {topic}' for noun, topic in named if topic and not self.counts.get(topic)]


def record(
    path: Path, seconds: float, asked: LiveTopics, on_progress: Callable[[float], None] = lambda recorded_s: None
) -> LiveTopics:
    """Write a bag at `path` of what is published in `seconds`, counted from when images and IMU both have come.

    Gives the topics that were listened to. Messages are logged in the order in which they come, at the time of this
    machine. camera_info goes into the bag as /camera/camera_info, whatever its topic is. Raises NodeError, in a line
    that names the candidates, where topics cannot be chosen, and where no images or no IMU readings come; FileError
    when the bag cannot be written.
    """
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C is Python's
    try:
        node = Node('atvio_check', context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            given = (asked.image, asked.imu, asked.camera_info, asked.ground_truth)
            names = (topic and str(node.resolve_topic_name(topic)) for topic in given)
            topics, types = _discover(node, LiveTopics(*names))
            with BagWriter(path) as writer:
                tally = _Tally()
                _subscribe(node, writer, topics, types, tally)
                _spin(node, executor, seconds, topics, tally, on_progress)
        finally:
            executor.shutdown()
            node.destroy_node()
        return topics
    finally:
        rclpy.try_shutdown(context=context)


def _subscribe(node: Node, writer: BagWriter, topics: LiveTopics, types: Mapping[str, str], tally: _Tally) -> None:
    best_effort, images = (
        QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT) for depth in (DEPTH, IMAGE_DEPTH)
    )
    latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    listened = dict.fromkeys((topics.imu, topics.camera_info, topics.ground_truth), best_effort)
    described = {STATIC_TRANSFORM_TOPIC: messages.TF_MESSAGE, RIG_TOPIC: messages.STRING}
    for topic, qos in {**listened, topics.image: images, **dict.fromkeys(described, latched)}.items():
        if topic is None:
            continue
        type_name = described.get(topic) or types[topic]
        name = CAMERA_INFO_TOPIC if topic == topics.camera_info else topic

        def take(cdr: bytes, topic: str = topic, name: str = name, type_name: str = type_name) -> None:
            tally.counts[topic] = tally.counts.get(topic, 0) + 1
            writer.write_raw(name, type_name, time.time_ns(), cdr, latched=topic in described)

        node.create_subscription(message_class(type_name), topic, take, qos, raw=True)


def _spin(
    node: Node,
    executor: SingleThreadedExecutor,
    seconds: float,
    topics: LiveTopics,
    tally: _Tally,
    on_progress: Callable[[float], None],
) -> None:
    began_s, started_s = time.monotonic(), None
    while started_s is None or time.monotonic() - started_s < seconds:
        executor.spin_once(timeout_sec=0.05)
        now_s = time.monotonic()
        if started_s is None:
            missing = tally.missing(topics)
            if not missing:
                started_s = now_s
            elif now_s - began_s > FIRST_MESSAGES_S:
                publishers = ', '.join(
                    f'{node.count_publishers(topic)} on {topic}' for topic in (topics.image, topics.imu) if topic
                )
                raise NodeError(
                    f'No {" and no ".join(missing)} came in {FIRST_MESSAGES_S:.0f} s (publishers: {publishers}). Is '
                    'the driver running? `ros2 topic hz` shows what arrives.'
                )
        else:
            on_progress(min(now_s - started_s, seconds))


def _discover(node: Node, asked: LiveTopics) -> tuple[LiveTopics, dict[str, str]]:
    """The topics to listen to, and the type of each topic that is published."""
    deadline_s, settled_s = time.monotonic() + DISCOVERY_S, None
    while True:
        types = _published(node)
        wanted = ((IMAGE_KIND, asked.image), (IMU_KIND, asked.imu))
        there = all(topic in types if topic else _candidates(types, kind, None) for kind, topic in wanted)
        now_s = time.monotonic()
        settled_s = None if not there else settled_s or now_s + SETTLED_S
        if now_s > deadline_s or (settled_s is not None and now_s > settled_s):
            break
        time.sleep(0.05)
    image, imu = _choose(types, IMAGE_KIND, asked.image), _choose(types, IMU_KIND, asked.imu)
    for topic, option in ((asked.camera_info, '--camera-info-topic'), (asked.ground_truth, '--ground-truth-topic')):
        kinds = (messages.CAMERA_INFO,) if option == '--camera-info-topic' else messages.POSE_TYPES
        if topic is not None and types.get(topic) not in kinds:
            raise NodeError(f'{_not_there(types, topic, " or ".join(kinds))} Correct {option}.')
    return replace(asked, image=image, imu=imu, camera_info=asked.camera_info or _camera_info(types, image)), types


def _published(node: Node) -> dict[str, str]:
    """{topic: type} of what somebody publishes."""
    return {name: types[0] for name, types in node.get_topic_names_and_types() if node.count_publishers(name) and types}


def _candidates(types: Mapping[str, str], kind: TopicKind, asked: str | None) -> list[str]:
    """Topics of the kind; of a camera that publishes its images both raw and compressed, the raw one."""
    fitting = sorted(topic for topic, type_name in types.items() if type_name in kind.types)
    if asked is not None:
        return [topic for topic in fitting if topic == asked]
    raw = {topic: topic.removesuffix('/compressed') for topic in fitting}
    return [t for t in fitting if not raw[t].endswith(OWN_IMAGES) and (raw[t] == t or raw[t] not in fitting)]


def _choose(types: Mapping[str, str], kind: TopicKind, asked: str | None) -> str:
    found = _candidates(types, kind, asked)
    if len(found) == 1:
        return found[0]
    wanted = ' or '.join(kind.types)
    if asked is not None:
        raise NodeError(f'{_not_there(types, asked, wanted)} Correct {kind.option}.')
    if found:
        raise NodeError(f'Several topics have {kind.noun}: {", ".join(found)}. Choose one with {kind.option}.')
    raise NodeError(f'Nobody publishes {kind.noun} ({wanted}). {_listing(types)} Start its driver first.')


def _camera_info(types: Mapping[str, str], image: str) -> str | None:
    """camera_info beside the images, or else the only one there is."""
    beside = f'{image.removesuffix("/compressed").rpartition("/")[0]}/camera_info'
    found = [topic for topic, type_name in types.items() if type_name == messages.CAMERA_INFO]
    if beside in found:
        return beside
    return found[0] if len(found) == 1 else None


def _not_there(types: Mapping[str, str], topic: str, wanted: str) -> str:
    if topic in types:
        return f'{topic} carries {types[topic]}, not {wanted}.'
    return f'Nobody publishes {topic} ({wanted}). {_listing(types)}'


def _listing(types: Mapping[str, str]) -> str:
    kept = {t: n for t, n in types.items() if t not in ('/parameter_events', '/rosout')}
    if not kept:
        return 'Nothing else is published here: check ROS_DOMAIN_ID, and that the robot is running.'
    return f'Published are {", ".join(f"{topic} ({name})" for topic, name in sorted(kept.items()))}.'
