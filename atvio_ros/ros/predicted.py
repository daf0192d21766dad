"""`odometry/predicted`: the odometry at every IMU reading, and TF from it."""

from __future__ import annotations

import sys
import threading

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile

from atvio_ros.cdr_writing import OdometryCdr, TransformCdr
from atvio_ros.odometry.predictor import OdometryPredictor, Prediction, PredictionSettings
from atvio_ros.odometry.quaternions import conjugate, turned
from atvio_ros.rig.rig import Rig
from atvio_ros.ros.outputs import Outputs
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.types import ImuSample, OdometryEstimate

TOPIC = 'odometry/predicted'
SWITCH_S = 5e-4  # that a reading waits for the estimator's thread to give way: Python's own 5 ms are too long


class Predicted:
    """Publishes for each reading that `add` is given; nothing before `begin`. `reset` may come in another thread than
    readings do, and nothing from before it is published after it; so may `update`.
    """

    def __init__(self, node: Node, parameters: NodeParameters, outputs: Outputs, horizon_s: float) -> None:
        self._node = node
        self._parameters = parameters
        self._outputs = outputs
        self._settings = PredictionSettings(parameters.predicted_smoothing, horizon_s, parameters.predicted_rate)
        self._lock = threading.Lock()
        self._predictor: OdometryPredictor | None = None
        self._publisher = node.create_publisher(Odometry, TOPIC, QoSProfile(depth=50))
        self._odometry = OdometryCdr(parameters.odom_frame, parameters.base_frame)
        self._transform = TransformCdr(parameters.odom_frame, parameters.base_frame)
        self._inverse = TransformCdr(parameters.base_frame, parameters.odom_frame)

    def begin(self, rig: Rig) -> None:
        """The robot is known."""
        sys.setswitchinterval(SWITCH_S)
        self._predictor = OdometryPredictor(rig, self._settings)

    def update(self, estimate: OdometryEstimate) -> None:
        """Go on from a new pose."""
        if self._predictor:
            self._predictor.update(estimate)

    def add(self, sample: ImuSample) -> None:
        """Take a reading; one that the odometry does not use either is left out."""
        with self._lock:
            if self._predictor and (prediction := self._predictor.add(sample)):
                self._publish(prediction)

    def reset(self) -> None:
        """Nothing until the next pose."""
        with self._lock:
            if self._predictor:
                self._predictor.reset()

    def close(self) -> None:
        """Take the publisher out of the graph."""
        with self._lock:
            self._predictor = None
        self._node.destroy_publisher(self._publisher)

    def _publish(self, given: Prediction) -> None:
        if not self._node.context.ok():
            return
        self._publisher.publish(
            self._odometry.message(
                given.stamp_ns, given.position, given.orientation, given.pose_covariance,
                given.linear_velocity, given.angular_velocity, given.twist_covariance,
            )
        )  # fmt: skip
        parameters = self._outputs.parameters  # which may change
        if not (parameters.publish_tf and parameters.predicted_tf):
            return
        if parameters.invert_tf:
            rotation = conjugate(given.orientation)
            x, y, z = turned(rotation, given.position)
            self._outputs.broadcast(self._inverse, given.stamp_ns, (-x, -y, -z), rotation)
        else:
            self._outputs.broadcast(self._transform, given.stamp_ns, given.position, given.orientation)
