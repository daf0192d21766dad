"""What a running atvio_node says, kept as it comes, and ways to wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from atvio_ros.message_decoding import stamp_ns
from atvio_ros.msg import OdometryStatus
from atvio_ros.ros.conversions import stamp_from_ns

EPOCH_NS = 1_317_000_000_000_000_000
SECOND_NS = 1_000_000_000
FRAME_NS = 100_000_000
ANSWER_LIMIT_S = 60.0  # nobody waits for so long unless something is broken


@dataclass(frozen=True)
class Tick:
    """One message on /diagnostics: when it was stamped [s], and its figures, with its text under ''."""

    at_s: float
    figures: dict[str, str]


class Answers:
    """Odometry, transforms, status and diagnostics since the beginning of a drive, whose image 0 is at `epoch_ns`."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.epoch_ns = EPOCH_NS
        self.odometry: list[Odometry] = []
        self.transforms: list[Any] = []
        self.statuses: list[OdometryStatus] = []  # all there ever were
        self.ticks: list[Tick] = []  # all of /diagnostics
        self.diagnostics: dict[str, str] = {}  # the newest figures
        self._earliest_ns = 0  # odometry and transforms with older stamps are of a drive before
        self._first_status = 0  # statuses before this one, too
        node.create_subscription(Odometry, 'odometry', self._on_odometry, 1000)
        node.create_subscription(TFMessage, '/tf', self._on_transforms, 1000)
        node.create_subscription(OdometryStatus, 'status', self._on_status, 1000)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 100)

    def forget(self) -> None:
        """Begin anew with what comes from now on."""
        self.odometry.clear()
        self.transforms.clear()
        self._first_status = len(self.statuses)

    @property
    def status(self) -> OdometryStatus:
        """The newest status, also of a drive before."""
        return self.statuses[-1] if self.statuses else OdometryStatus()

    def counts(self) -> dict[str, int]:
        """Drops by reason since the node was configured, as the newest status tells."""
        return dict(zip(self.status.drop_reasons, map(int, self.status.drop_counts), strict=True))

    def count(self, reason: str) -> int:
        """Drops for one reason."""
        return self.counts().get(reason, 0)

    def frames(self) -> list[int]:
        """The images of the drive that have given odometry."""
        return [(stamp_ns(message.header.stamp) - self.epoch_ns) // FRAME_NS for message in self.odometry]

    def poses(self) -> np.ndarray:
        """(N, 7): position [m] and quaternion of base_link in odom, after every odometry."""
        poses = [message.pose.pose for message in self.odometry]
        return np.array(
            [
                [p.position.x, p.position.y, p.position.z, q.x, q.y, q.z, q.w]
                for p, q in ((pose, pose.orientation) for pose in poses)
            ]
        )

    def positions(self) -> np.ndarray:
        """(N, 3) of base_link in odom [m]."""
        return self.poses()[:, :3]

    def variances(self) -> np.ndarray:
        """(N,) of x in odom [m^2]."""
        return np.array([message.pose.covariance[0] for message in self.odometry])

    def wait_for(self, condition: Callable[[], bool], what: str, limit_s: float = ANSWER_LIMIT_S) -> None:
        """Wait until the condition holds; fail with `what` if it does not in time."""
        deadline_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline_s, (
                f'{what}; {len(self.odometry)} odometry messages; status: {self.status}; '
                f'/diagnostics: {self.diagnostics}'
            )
            time.sleep(0.01)

    def wait_for_odometry(self, count: int) -> None:
        """Wait for so many messages of the drive; one more is an error."""
        self.wait_for(lambda: len(self.odometry) >= count, f'odometry is missing: {count} are expected')
        assert len(self.odometry) == count

    def wait_for_count(self, reason: str, count: int) -> None:
        """Wait until so many inputs have been dropped for that reason; one more is an error."""
        self.wait_for(lambda: self.count(reason) >= count, f'{reason}: {count} are expected')
        assert self.count(reason) == count

    def wait_for_status(self, condition: Callable[[OdometryStatus], bool], what: str) -> OdometryStatus:
        """The first status of the drive that is so."""
        found: list[OdometryStatus] = []

        def look() -> bool:
            found.extend(filter(condition, self.statuses[self._first_status :]))
            return bool(found)

        self.wait_for(look, what)
        return found[0]

    def wait_for_words(self, words: str) -> OdometryStatus:
        """The first status of the drive that says these words."""
        return self.wait_for_status(lambda status: words in status.message, f'no status says {words!r}')

    def wait_for_state(self, state: int) -> OdometryStatus:
        """The first status of the drive with this state."""
        return self.wait_for_status(lambda status: status.state == state, f'no status has the state {state}')

    def status_at(self, frame: int) -> OdometryStatus:
        """The status that was published with the odometry of an image."""
        stamp = stamp_from_ns(self.epoch_ns + frame * FRAME_NS)
        return self.wait_for_status(lambda status: status.header.stamp == stamp, f'no status of image {frame}')

    def _on_odometry(self, message: Odometry) -> None:
        if stamp_ns(message.header.stamp) >= self._earliest_ns:
            self.odometry.append(message)

    def _on_transforms(self, message: TFMessage) -> None:
        self.transforms.extend(each for each in message.transforms if stamp_ns(each.header.stamp) >= self._earliest_ns)

    def _on_status(self, status: OdometryStatus) -> None:
        self.statuses.append(status)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        status = message.status[0]
        self.diagnostics = {'': status.message, **{value.key: value.value for value in status.values}}
        self.ticks.append(Tick(stamp_ns(message.header.stamp) / SECOND_NS, self.diagnostics))
