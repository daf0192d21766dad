"""Says in words what the node receives, what is missing, and how long things take."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from std_msgs.msg import Header

from atvio_ros.odometry.arrivals import Arrivals, lost_words, turns_words
from atvio_ros.odometry.ledger import Ledger
from atvio_ros.types import FramePair
from atvio_ros.words import shortened

WINDOW = 300  # newest frames that percentiles are taken over


@dataclass(frozen=True)
class Report:
    """What is known at one tick."""

    missing: str  # which inputs, and why; empty when none is
    images_per_s: float
    imu_per_s: float
    warnings: tuple[str, ...] = ()  # what is wrong with how inputs arrive, a sentence each


@dataclass(frozen=True)
class Input:
    """One input topic as the node has subscribed to it."""

    topic: str  # resolved name
    type_name: str  # 'sensor_msgs/msg/Imu'
    reliability: str  # 'reliable' or 'best_effort'
    parameter: str  # that sets it
    depth: int = 0  # messages that the middleware keeps for us


class Health:
    """Watches the inputs from tick to tick."""

    def __init__(self, node: Node, ledger: Ledger, images: Input, imu: Input) -> None:
        self._node = node
        self._ledger = ledger
        self._inputs = {'images': images, 'IMU': imu}
        self.arrivals = {'images': Arrivals(), 'IMU': Arrivals()}
        self._received = {'images': 0, 'IMU': 0}
        self._ticked_s = time.monotonic()
        self._imu_per_pair: deque[int] = deque(maxlen=WINDOW)
        self._inference_s: deque[float] = deque(maxlen=WINDOW)
        self._latency_s: deque[float] = deque(maxlen=WINDOW)

    def add_pair(self, pair: FramePair) -> None:
        """Remember how many IMU readings a pair came with."""
        self._imu_per_pair.append(len(pair.imu.stamps_ns))

    def add_latency(self, inference_s: float, latency_s: float) -> None:
        """Remember how long one frame took: the network alone, and from arrival to publishing."""
        self._inference_s.append(inference_s)
        self._latency_s.append(latency_s)

    def tick(self) -> Report:
        """Compare with the tick before."""
        now_s = time.monotonic()
        elapsed_s = max(now_s - self._ticked_s, 1e-3)
        counts = self._ledger.counts
        totals = {'images': counts.images_received, 'IMU': counts.imu_received}
        rates = {name: (totals[name] - self._received[name]) / elapsed_s for name in totals}
        self._received, self._ticked_s = totals, now_s
        missing = '; '.join(self._absence(name) for name, rate in rates.items() if rate == 0.0)
        warnings = tuple(text for name in self._inputs for text in self._arrival(name, elapsed_s) if text)
        return Report(missing, rates['images'], rates['IMU'], warnings)

    def values(self, report: Report) -> dict[str, str]:
        """What /diagnostics tells in figures."""
        samples, counts = list(self._imu_per_pair), self._ledger.counts
        return {
            'image rate [Hz]': f'{report.images_per_s:.1f}',
            'IMU rate [Hz]': f'{report.imu_per_s:.1f}',
            'IMU samples per pair': f'{min(samples)} to {max(samples)}' if samples else 'none yet',
            'inference p50 / p99 [ms]': _percentiles_ms(self._inference_s),
            'end-to-end p50 / p99 [ms]': _percentiles_ms(self._latency_s),
            'images received': str(counts.images_received),
            'IMU readings received': str(counts.imu_received),
            'images lost on their way': str(self.arrivals['images'].lost),
            'IMU readings lost on their way': str(self.arrivals['IMU'].lost),
            **{f'dropped: {reason.value}': str(count) for reason, count in counts.dropped.items()},
        }

    def _arrival(self, name: str, elapsed_s: float) -> tuple[str, str]:
        """Words about losses, and about several sources on the topic; '' where there is nothing to say."""
        given, arrived = self._inputs[name], self.arrivals[name].ask()
        what = 'IMU readings' if name == 'IMU' else name
        parameters, reliable = given.parameter.partition('_')[0], given.reliability == 'reliable'
        lost = lost_words(what, given.topic, arrived, elapsed_s, parameters, given.depth, reliable)
        if not arrived.publishers:
            return lost, ''
        publishers = self._node.get_publishers_info_by_topic(given.topic)
        known = [each for each in publishers if not each.node_name.startswith('_NODE_NAME_UNKNOWN')]  # else too new
        nodes = {f'{each.node_namespace.rstrip("/")}/{each.node_name}' for each in known}
        return lost, turns_words(what, given.topic, arrived, tuple(sorted(nodes)))

    def _absence(self, name: str) -> str:
        given = self._inputs[name]
        publishers = self._node.get_publishers_info_by_topic(given.topic)
        text = f'no {name} on {given.topic} (publishers: {len(publishers)})'
        other = {publisher.topic_type for publisher in publishers} - {given.type_name}
        if other:
            return f'{text}; it carries {", ".join(sorted(other))}, not {given.type_name}: remap to another topic'
        best_effort = [p for p in publishers if p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT]
        if given.reliability == 'reliable' and best_effort:
            return f'{text}; publisher is best effort, subscription is reliable: set {given.parameter} to best_effort'
        return text


def diagnostic_array(node: Node, level: bytes, text: str, values: dict[str, str]) -> DiagnosticArray:
    """One status named after the node, for /diagnostics."""
    status = DiagnosticStatus(
        level=level,
        name=f'{node.get_fully_qualified_name().removeprefix("/")}: odometry',
        message=shortened(text),
        hardware_id='',
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    return DiagnosticArray(header=Header(stamp=node.get_clock().now().to_msg()), status=[status])


def _percentiles_ms(values_s: deque[float]) -> str:
    if not values_s:
        return 'none yet'
    p50, p99 = np.percentile(list(values_s), (50, 99)) * 1e3
    return f'{p50:.1f} / {p99:.1f}'
