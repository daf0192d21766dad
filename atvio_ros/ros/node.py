"""atvio_node: subscribes to images and IMU, runs the network on a worker thread, publishes odometry.

An adapter only: it declares parameters, connects inputs to the synchroniser, and publishes what the engine says.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from functools import partial
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from message_filters import Subscriber
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, Imu
from std_srvs.srv import SetBool, Trigger

from atvio_ros.errors import AtvioError
from atvio_ros.msg import OdometryStatus
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.estimator import load_estimator
from atvio_ros.odometry.frame_pairs import PairingLimits, Reason
from atvio_ros.odometry.pair_queue import PairQueue
from atvio_ros.odometry.pipeline import Mounting, make_pairer
from atvio_ros.ros.conversions import camera_frame
from atvio_ros.ros.health import Health, Input
from atvio_ros.ros.outputs import Outputs, status_message
from atvio_ros.ros.parameters import NodeParameters, declare_parameters, updated
from atvio_ros.ros.synchronizer import FramePairSynchronizer
from atvio_ros.types import NANOSECONDS, FramePair, OdometryEstimate

HEALTH_PERIOD_S = 1.0
EXPIRY_PERIOD_S = 0.1
WARNING_PERIOD_S = 5.0


class AtvioNode(Node):  # type: ignore[misc]
    """Visual-inertial odometry. Topics in: image, imu. Out: odometry, path, status, /diagnostics, TF."""

    def __init__(self) -> None:
        super().__init__('atvio_node')
        parameters = declare_parameters(self)
        mounting = Mounting(parameters.T_base_camera, parameters.R_base_imu, parameters.imu_time_offset)
        model = Path(parameters.model) if parameters.model else None
        self._estimator = load_estimator(model, parameters.device, parameters.inference_threads)
        self._estimator.warm_up()
        self._pairer = make_pairer(self._estimator, mounting, _limits(parameters), self._on_drop)
        self._engine = OdometryEngine(self._estimator, mounting.T_base_camera)
        self._engine_lock = threading.Lock()  # the worker processes, services reset
        self._outputs = Outputs(self, parameters)
        self._queue = PairQueue(parameters.queue_limit)
        self._worker = threading.Thread(target=self._infer, name='inference', daemon=True)
        self._processed = 0
        self._paused = False
        self._forgotten_ns = 0  # images received before this were forgotten by a reset
        self._newest: tuple[OdometryEstimate, float, float] | None = None  # estimate, inference [s], latency [s]
        self._published_s = 0.0
        self._warned_s: dict[Reason, float] = {}
        self._connect(parameters)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._worker.start()
        self.get_logger().info(f'{self._estimator.name} on {self._estimator.device}; waiting for images and IMU')

    def close(self) -> None:
        """Stop the worker; at most one inference is waited for."""
        self._queue.close()
        self._worker.join()

    def _connect(self, parameters: NodeParameters) -> None:
        image_type = CompressedImage if parameters.compressed_image else Image
        images = Subscriber(
            self, image_type, 'image', qos_profile=_qos(parameters.image_reliability, parameters.image_depth)
        )
        imu = Subscriber(self, Imu, 'imu', qos_profile=_qos(parameters.imu_reliability, parameters.imu_depth))
        config = self._estimator.config
        decode = partial(camera_frame, height_px=config.image_height_px, width_px=config.image_width_px)
        self._synchronizer = FramePairSynchronizer(images, imu, self._pairer, decode)
        self._synchronizer.registerCallback(self._on_pair)
        image_name = f'sensor_msgs/msg/{image_type.__name__}'
        image_topic, imu_topic = self.resolve_topic_name('image'), self.resolve_topic_name('imu')
        self._health = Health(
            self,
            self._pairer,
            Input(image_topic, image_name, parameters.image_reliability, 'image_reliability'),
            Input(imu_topic, 'sensor_msgs/msg/Imu', parameters.imu_reliability, 'imu_reliability'),
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_service(SetBool, '~/pause', self._on_pause)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still; warnings must not
        self.create_timer(HEALTH_PERIOD_S, self._report_health, clock=steady)
        self.create_timer(EXPIRY_PERIOD_S, self._synchronizer.release_expired, clock=steady)

    def _on_pair(self, pair: FramePair) -> None:
        if self._paused:
            self._pairer.drop(Reason.PAUSED, 'The odometry is paused.')
        elif self._queue.put(pair):
            self._pairer.drop(
                Reason.OVERLOAD, 'The network does not keep up with the images: one was skipped. Lower the image rate.'
            )

    def _infer(self) -> None:
        while (pair := self._queue.get()) is not None:
            try:
                with self._engine_lock:
                    if pair.current.received_ns < self._forgotten_ns:  # taken from the queue just before a reset
                        self._pairer.drop(Reason.RESET, 'The odometry was reset.')
                        continue
                    started_s = time.monotonic()
                    estimate = self._engine.process(pair)
                    inference_s = time.monotonic() - started_s
            except (AtvioError, RuntimeError) as error:  # RuntimeError is what PyTorch raises, out of memory included
                self._pairer.drop(Reason.FAILED, f'The network failed on a frame pair: {error}')
                continue
            if not rclpy.ok(context=self.context):
                return
            self._outputs.publish(estimate)
            self._published_s = time.monotonic()
            self._processed += 1
            latency_s = self._published_s - pair.current.received_ns / NANOSECONDS
            self._newest = (estimate, inference_s, latency_s)
            self._health.add_latency(inference_s, latency_s)
            self._publish_status(OdometryStatus.STATE_TRACKING, '')

    def _publish_status(self, state: int, text: str) -> None:
        estimate, inference_s, latency_s = self._newest or (None, 0.0, 0.0)
        self._outputs.publish_status(
            status_message(
                state,
                text,
                estimate.stamp_ns if estimate else 0,
                self._outputs.parameters.odom_frame,
                self._pairer,
                self._processed,
                estimate,
                inference_s,
                latency_s,
            )
        )

    def _report_health(self) -> None:
        report = self._health.tick()
        state, level, text = OdometryStatus.STATE_TRACKING, DiagnosticStatus.OK, report.message or 'tracking'
        if self._paused:
            state, text = OdometryStatus.STATE_PAUSED, 'paused; call ~/pause with data: false to go on'
        elif report.missing:
            state, level = OdometryStatus.STATE_WAITING, DiagnosticStatus.ERROR
            self.get_logger().warning(f'Waiting: {text}', throttle_duration_sec=WARNING_PERIOD_S)
        elif report.message:
            state, level = OdometryStatus.STATE_DEGRADED, DiagnosticStatus.WARN
        details = {
            'model': self._estimator.name,
            'device': str(self._estimator.device),
            'frames processed': str(self._processed),
            'frame pairs waiting': str(len(self._queue)),
        }
        self._diagnostics.publish(self._health.diagnostics(report, level, text, details))
        if time.monotonic() - self._published_s > HEALTH_PERIOD_S:
            self._publish_status(state, text)

    def _on_drop(self, reason: Reason, detail: str) -> None:
        now_s = time.monotonic()
        if reason is Reason.FIRST_IMAGE or now_s - self._warned_s.get(reason, -WARNING_PERIOD_S) < WARNING_PERIOD_S:
            return
        self._warned_s[reason] = now_s
        self.get_logger().warning(f'{reason.value}: {detail}')

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._forget(Reason.RESET, 'The odometry was reset.')
        with self._engine_lock:
            self._engine.reset()
        self._outputs.clear_path()
        response.success, response.message = True, 'odometry starts at the origin'
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if request.data != self._paused:
            self._paused = request.data
            self._forget(Reason.PAUSED, 'The odometry is paused.')
        response.success, response.message = True, 'paused' if self._paused else 'running'
        return response

    def _forget(self, reason: Reason, detail: str) -> None:
        self._forgotten_ns = time.monotonic_ns()
        self._pairer.reset()
        for _ in range(self._queue.clear()):
            self._pairer.drop(reason, detail)

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        self._outputs.parameters, result = updated(self._outputs.parameters, changes)
        return result


def _limits(parameters: NodeParameters) -> PairingLimits:
    return PairingLimits(
        max_imu_gap_ns=round(parameters.max_imu_gap * NANOSECONDS),
        max_image_gap_ns=round(parameters.max_image_gap * NANOSECONDS),
        max_wait_ns=round(parameters.max_wait * NANOSECONDS),
    )


def _qos(reliability: str, depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def main() -> None:
    """Run the node until it is interrupted; exit status 1 and one line if it cannot start."""
    rclpy.init()
    try:
        node = AtvioNode()
    except AtvioError as error:
        print(f'atvio_node: {error}', file=sys.stderr)
        rclpy.try_shutdown()
        sys.exit(1)
    # rclpy.experimental.EventsExecutor would cost less, but with rclpy 9.1.2 its spin neither runs timers nor ends.
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        executor.spin()
    node.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
