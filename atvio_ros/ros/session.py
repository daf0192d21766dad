"""The odometry of a configured node: from loading the model to freeing it, through any number of activations."""

from __future__ import annotations

import threading
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, Imu

from atvio_ros.cdr import compressed_image_from_cdr, image_from_cdr, imu_from_cdr
from atvio_ros.errors import NodeError
from atvio_ros.message_decoding import header_frame, header_stamp_ns
from atvio_ros.msg import OdometryStatus
from atvio_ros.odometry.ledger import Ledger, Reason
from atvio_ros.odometry.monitor import MonitorLimits, TrackingMonitor, TrackingState
from atvio_ros.odometry.pair_queue import PairQueue
from atvio_ros.odometry.pipeline import Estimator, Odometry
from atvio_ros.odometry.sight import Sight
from atvio_ros.odometry.start import Start
from atvio_ros.odometry.travel import direction_in_words, seen_direction
from atvio_ros.ros.counted_subscriber import Decoder, subscribe
from atvio_ros.ros.debug_image import DebugImage
from atvio_ros.ros.health import Health, Input, Report
from atvio_ros.ros.late_odometry import LateOdometry
from atvio_ros.ros.outputs import Outputs, Processed
from atvio_ros.ros.own_thread import NoExecutor, OwnThread
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.ros.predicted import Predicted
from atvio_ros.ros.services import Services
from atvio_ros.ros.synchronizer import FramePairSynchronizer
from atvio_ros.ros.worker import InferenceWorker
from atvio_ros.types import NANOSECONDS, FramePair, OdometryEstimate
from atvio_ros.words import shortened

STATES = {
    TrackingState.WAITING: (OdometryStatus.STATE_WAITING, DiagnosticStatus.WARN),
    TrackingState.TRACKING: (OdometryStatus.STATE_TRACKING, DiagnosticStatus.OK),
    TrackingState.DEGRADED: (OdometryStatus.STATE_DEGRADED, DiagnosticStatus.WARN),
    TrackingState.STATIONARY: (OdometryStatus.STATE_STATIONARY, DiagnosticStatus.OK),
    TrackingState.LOST: (OdometryStatus.STATE_LOST, DiagnosticStatus.ERROR),
}
EXPECTED = {Reason.FIRST_IMAGE, Reason.PAUSED, Reason.RESET, Reason.INACTIVE}  # asked for: no word in the log
STATUS_PERIOD_S = 1.0
WARNING_PERIOD_S = 5.0
SOON_S = 2.5  # after a start or a reset: no odometry yet is nothing to warn of


class Session:
    """Publishers, services and the thread of the estimator live as long as this; subscriptions while it is active.

    Raises SettingsError or CalibrationError on a rig file that cannot be used.
    """

    def __init__(self, node: Node, parameters: NodeParameters, estimator: Estimator) -> None:
        self._node = node
        self._parameters = parameters
        self._estimator = estimator
        self._ledger = Ledger(self._on_drop)
        self._sight: Sight | None = None  # once the robot is known, for estimators that look at calibrated images
        lost_after_s = max(MonitorLimits.lost_after_s, 2.0 * parameters.max_image_gap)
        self._monitor = TrackingMonitor(MonitorLimits(lost_after_s=lost_after_s))
        self._monitor_lock = threading.Lock()  # two threads tell it what happens
        self._health = Health(node, self._ledger, *_inputs(node, parameters))
        self._newest = Processed()
        self._travel = ''  # the newest direction of travel in words, for people
        self._speed = 0.0
        self._published_s = 0.0
        self._began_s = time.monotonic()  # to wait for odometry
        self._paused = False
        self._remarks: tuple[str, ...] = ()  # why the robot is not to be trusted
        self._camera_warned = False
        self._rivalry = ''  # who else publishes what this does
        self._warned_s: dict[str, float] = {}
        self._subscriptions: list[Subscription] = []  # while active
        self._threads: list[OwnThread] = []  # that serve them
        self._odometry = LateOdometry(node, parameters, estimator, self._ledger, self._on_ready, self._on_warning)
        self._outputs = Outputs(node, parameters, estimator.name)
        self._predicted = (
            Predicted(node, parameters, self._outputs, lost_after_s) if parameters.publish_predicted else None
        )
        self._debug = DebugImage(node)
        self._services = Services(node, self)
        self._worker = InferenceWorker(
            None,
            PairQueue(parameters.queue_limit, parameters.limits.max_image_gap_ns),
            self._on_estimate,
            self._ledger.drop,
        )

    def activate(self) -> None:
        """Subscribe. Odometry goes on from where it was."""
        node, parameters = self._node, self._parameters
        for each in self._health.arrivals.values():
            each.restart()
        image_type = CompressedImage if parameters.compressed_image else Image
        image_qos = _qos(parameters.image_reliability, parameters.image_depth)
        imu_qos = _qos(parameters.imu_reliability, parameters.imu_depth)
        arrivals, odometry = self._health.arrivals, self._odometry
        decode = compressed_image_from_cdr if parameters.compressed_image else image_from_cdr
        take_image = Decoder(decode, lambda image: (header_frame(image), header_stamp_ns(image)), odometry.refuse_image)
        take_imu = Decoder(imu_from_cdr, lambda sample: (sample.frame_id, sample.stamp_ns), odometry.refuse_imu)
        images = subscribe(node, image_type, 'image', image_qos, arrivals['images'], take_image, NoExecutor())
        imu = subscribe(node, Imu, 'imu', imu_qos, arrivals['IMU'], take_imu, NoExecutor())
        if self._predicted:  # first: a reading is predicted from what is known before it releases the next image
            imu.registerCallback(self._predicted.add)
        synchronizer = FramePairSynchronizer(images, imu, odometry)
        synchronizer.registerCallback(self._on_pair)
        self._subscriptions = [images.sub, imu.sub]
        self._threads = [
            OwnThread(node, images, 'images', synchronizer.release_expired),
            OwnThread(node, imu, 'imu'),
        ]
        self._forget_state()

    def deactivate(self) -> None:
        """Unsubscribe; what waits is counted and forgotten."""
        if not self._threads:
            return
        for thread in self._threads:
            thread.close()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._threads, self._subscriptions = [], []
        self._forget(Reason.INACTIVE, 'The node was deactivated.')

    def close(self) -> None:
        """Free everything; waits for the inference that runs."""
        self.deactivate()
        self._worker.forget(Reason.INACTIVE, 'The node is being cleaned up.')
        self._worker.close()
        self._services.close()
        if self._predicted:
            self._predicted.close()
        self._outputs.close()
        self._debug.close()
        self._odometry.close()

    def change(self, parameters: NodeParameters) -> None:
        """Take parameters that may change while this lives."""
        self._parameters = self._outputs.parameters = parameters

    def reset(self, start: Start) -> None:
        """Start again, there."""
        with self._odometry.lock:  # no pair comes between
            self._worker.reset(start)
            self._forget_images(Reason.RESET, 'The odometry was reset.')
            self._forget_prediction()
        self._outputs.clear_path()
        self._forget_state()

    def pause(self, paused: bool) -> None:
        """Drop and count what comes, or go on."""
        if paused != self._paused:
            self._paused = paused
            self._forget(Reason.PAUSED, 'The odometry is paused.')
            self._forget_state()

    def tick(self) -> tuple[bytes, str, dict[str, str]]:
        """Call it once a second: publishes status where no odometry does, and gives what /diagnostics is to say.

        Level of DiagnosticStatus, text, figures. Raises NodeError when the thread of the network has died of a bug.
        """
        if not self._worker.alive:
            raise NodeError('The thread of the network has ended with the error above. Please report it.')
        if not all(thread.alive for thread in self._threads):
            raise NodeError('A thread that receives messages has ended with the error above. Please report it.')
        self._odometry.compare()
        self._watch_camera()
        report = self._health.tick()
        for text in report.warnings:
            self._on_warning(text)
        values = {
            'model': self._estimator.name,
            'device': str(self._estimator.device),
            **self._health.values(report),
            'frames processed': str(self._ledger.counts.images_processed),
            'images waiting for IMU': str(self._odometry.waiting),
            'frame pairs waiting': str(self._worker.waiting),
            'age of the oldest [ms]': f'{self._worker.oldest_age_s * 1e3:.0f}',
            'speed [m/s]': f'{self._speed:.2f}',
            **({'direction of travel': self._travel} if self._travel else {}),
            **self._odometry.values(),
        }
        if not self._threads:
            return DiagnosticStatus.WARN, 'inactive; activate the node to have odometry', values
        state, level, text = self._judge(report)
        self._watch_rivals()
        if state == OdometryStatus.STATE_LOST:
            self._warn('lost', text)
        elif state == OdometryStatus.STATE_WAITING and time.monotonic() - self._began_s > SOON_S:
            self._warn('waiting', text)
        if time.monotonic() - self._published_s > STATUS_PERIOD_S:
            self._outputs.publish_status(state, text, self._ledger.counts, self._newest)
        if self._rivalry:
            return max(level, DiagnosticStatus.WARN), f'{text}; {self._rivalry}', values
        return level, text, values

    def _judge(self, report: Report) -> tuple[int, bytes, str]:
        """State of OdometryStatus, level of DiagnosticStatus, and why in words."""
        if self._paused:
            return OdometryStatus.STATE_PAUSED, DiagnosticStatus.OK, 'paused; call ~/pause with data: false to go on'
        with self._monitor_lock:
            tracking, reason = self._monitor.state(time.monotonic())
        missing = [words for words in (report.missing, self._odometry.missing) if words]
        if missing and tracking is TrackingState.TRACKING:
            tracking = TrackingState.DEGRADED
        state, level = STATES[tracking]
        news = [words for words in missing if words not in reason]  # a drop may have told it
        text = '; '.join(filter(None, (*news, reason))) or tracking.value
        return state, DiagnosticStatus.ERROR if missing else level, text

    def _on_ready(self, odometry: Odometry) -> None:
        self._worker.engine = odometry.engine
        if self._predicted and self._odometry.rig:
            self._predicted.begin(self._odometry.rig)
        self._remarks = odometry.remarks
        with self._monitor_lock:
            for number, text in enumerate(odometry.remarks):
                self._monitor.stand(f'robot {number}', text)
        self._sight = odometry.intake if isinstance(odometry.intake, Sight) else None

    def _watch_camera(self) -> None:
        changed = self._odometry.camera_changed
        with self._monitor_lock:
            self._monitor.stand('camera', changed)
        if self._worker.engine:
            self._worker.engine.doubt_robot(bool(self._remarks or changed))
        if changed and not self._camera_warned:
            self._camera_warned = True
            self._node.get_logger().warning(changed)

    def _watch_rivals(self) -> None:
        parameters, rivals = self._parameters, self._outputs.rivals
        above = self._odometry.parent_of_base if parameters.publish_tf and not parameters.invert_tf else ''
        words = '; '.join(filter(None, (rivals.words(parameters.publish_tf), rivals.static_parent(above))))
        if words and words != self._rivalry:
            self._node.get_logger().warning(words)
        self._rivalry = words

    def _on_pair(self, pair: FramePair) -> None:
        self._health.add_pair(pair)
        if self._paused:
            self._ledger.drop(Reason.PAUSED, 'The odometry is paused.')
        elif self._worker.put(pair):
            self._ledger.drop(
                Reason.OVERLOAD,
                'The estimator does not keep up with the images: one was skipped. Lower the image rate.',
            )

    def _on_estimate(self, pair: FramePair, estimate: OdometryEstimate, inference_s: float) -> None:
        try:
            if self._node.context.ok():
                self._publish(pair, estimate, inference_s)
        except (RuntimeError, InvalidHandle):  # what rclpy raises for what is still tried after a shutdown
            if self._node.context.ok():
                raise

    def _publish(self, pair: FramePair, estimate: OdometryEstimate, inference_s: float) -> None:
        self._outputs.publish(estimate)
        if self._predicted:
            self._predicted.update(estimate)
        self._published_s = time.monotonic()
        latency_s = self._published_s - pair.current.received_ns / NANOSECONDS
        self._health.add_latency(inference_s, latency_s)
        motion = estimate.motion
        direction = seen_direction(self._sight, estimate.geometry) if self._sight and estimate.geometry else None
        self._newest = Processed(
            estimate.stamp_ns, motion.attention_visual, motion.attention_inertial, inference_s, latency_s, direction
        )
        self._travel = direction_in_words(direction, estimate.geometry) if direction and estimate.geometry else ''
        self._speed = float(np.linalg.norm(estimate.linear_velocity))
        self._ledger.image_processed()
        with self._monitor_lock:
            self._monitor.on_estimate(estimate, self._published_s)
            tracking, reason = self._monitor.state(self._published_s)
        self._outputs.publish_status(STATES[tracking][0], reason, self._ledger.counts, self._newest)
        if self._debug.wanted:
            self._debug.publish(pair, estimate, self._sight, tracking.value, self._estimator.name)
        if estimate.warnings:
            self._warn('input', '; '.join(estimate.warnings))

    def _on_drop(self, reason: Reason, detail: str) -> None:
        with self._monitor_lock:
            self._monitor.on_drop(reason, time.monotonic(), detail)
        on_its_way = reason in (Reason.NO_TRANSFORM, Reason.NO_CALIBRATION) and self._odometry.in_grace
        if reason not in EXPECTED and not on_its_way:
            self._warn(reason.value, detail)

    def _on_warning(self, text: str) -> None:
        with self._monitor_lock:
            self._monitor.on_warning(text, time.monotonic())
        self._warn('input', text)

    def _warn(self, kind: str, text: str) -> None:
        """Log it, each kind at most every few seconds: inputs come at hundreds of Hz."""
        now_s = time.monotonic()
        if now_s - self._warned_s.get(kind, -WARNING_PERIOD_S) >= WARNING_PERIOD_S:
            self._warned_s[kind] = now_s
            self._node.get_logger().warning(f'{kind}: {shortened(text)}')

    def _forget_state(self) -> None:
        self._began_s = time.monotonic()
        with self._monitor_lock:
            self._monitor.reset()

    def _forget(self, reason: Reason, detail: str) -> None:
        with self._odometry.lock:  # no pair comes between
            self._forget_images(reason, detail)
            self._worker.forget(reason, detail)
            self._forget_prediction()

    def _forget_prediction(self) -> None:
        if self._predicted:
            self._predicted.reset()

    def _forget_images(self, reason: Reason, detail: str) -> None:
        self._ledger.drop(reason, detail, self._odometry.clear())


def _inputs(node: Node, parameters: NodeParameters) -> tuple[Input, Input]:
    image_type = 'sensor_msgs/msg/CompressedImage' if parameters.compressed_image else 'sensor_msgs/msg/Image'
    image_topic, imu_topic = node.resolve_topic_name('image'), node.resolve_topic_name('imu')
    return (
        Input(image_topic, image_type, parameters.image_reliability, 'image_reliability', parameters.image_depth),
        Input(imu_topic, 'sensor_msgs/msg/Imu', parameters.imu_reliability, 'imu_reliability', parameters.imu_depth),
    )


def _qos(reliability: str, depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])
