"""The network `road` as a motion estimator: any calibrated forward camera whose height is known."""

from __future__ import annotations

import numpy as np

from atvio_ros.geometry import transform
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.networks import RoadAnswer, RoadWeights
from atvio_ros.odometry.road_estimator import RoadReading
from atvio_ros.odometry.road_front import RoadFront
from atvio_ros.odometry.sight import Sight
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FloatArray, FramePair, PairGeometry, RelativeMotion, RoadMeasurement
from atvio_ros.view.virtual_camera import KITTI_VIEW, VirtualCamera

UNSEEN_S = 1.0
DOUBTFUL = 0.1  # sigma of the way, as a share of it


class RoadNetworkEstimator:
    """A trained network `road`, before it is put on a robot."""

    kind = 'network'
    view: VirtualCamera | None = KITTI_VIEW
    image_size_px = (0, 0)  # it takes no scaled images
    undoes_lags = True

    def __init__(self, network: RoadWeights, trained: bool, noise: MotionNoise | None = None) -> None:
        self.network = network
        self.name = f'{network.config.name} ({network.digest})' + ('' if trained else ', UNTRAINED random weights')
        self.trained = trained
        self.noise = noise or MotionNoise()

    @property
    def device(self) -> object:
        """See pipeline.Estimator."""
        return self.network.device

    def warm_up(self) -> None:
        """See pipeline.Estimator."""
        self.network.warm_up()

    def remark(self, rig: Rig) -> str | None:
        """See pipeline.Estimator: it was trained for no robot in particular."""
        return None

    def on_robot(self, rig: Rig, sight: Sight | None) -> RoadNetworkOdometry:
        """See pipeline.Estimator."""
        assert sight is not None  # assemble makes one for every estimator with a view
        return RoadNetworkOdometry(self.network.fresh(), sight)


class RoadNetworkOdometry:
    """The network on one robot. Rotation is the gyro's, corrected by its bias as far as images show it."""

    def __init__(self, network: RoadWeights, sight: Sight) -> None:
        self._network = network
        self._sight = sight
        self._front = RoadFront(sight, network.patches)
        self.reset()

    def reset(self) -> None:
        """Forget the pairs before."""
        self._front.reset()
        self._network.reset()
        self._unseen_s = 0.0

    def predict(self, pair: FramePair) -> RelativeMotion:
        """Motion of the images' axes over one pair, whose geometry must be known."""
        geometry = pair.geometry
        assert geometry is not None  # the engine has a tracker for every estimator with a view
        step = self._front.step(pair)
        answer = self._network.weigh(step)
        self._unseen_s = 0.0 if step.reading.seen else self._unseen_s + pair.interval_s
        return self._motion(answer, geometry, step.reading, pair.interval_s)

    def _motion(
        self, answer: RoadAnswer, geometry: PairGeometry, reading: RoadReading, interval_s: float
    ) -> RelativeMotion:
        height, config = self._sight.camera_height, self._network.config
        t_level = height * answer.motion.astype(np.float64)  # (3,) m
        sigma = height * np.exp(answer.log_sigma.astype(np.float64)) * config.sigma_scale
        R_previous_level = geometry.R_previous_current @ geometry.R_image_level
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = R_previous_level @ np.diag(config.errors_last * sigma**2) @ R_previous_level.T
        covariance[3:, 3:] = geometry.rotation_noise**2 * np.eye(3)
        seen = answer.attention[:2]  # of road and perspective
        return RelativeMotion(
            transform(geometry.R_previous_current, R_previous_level @ t_level),
            attention_visual=float(np.nanmean(seen)) if np.isfinite(seen).any() else float('nan'),
            attention_inertial=float(answer.attention[2]),
            covariance=covariance,
            warnings=self._warnings(t_level, sigma),
            road=RoadMeasurement(
                float(t_level[2]) / interval_s, float(sigma[2]) / interval_s, reading.found.tilt, reading.support
            ),
        )

    def _warnings(self, t_level: FloatArray, sigma: FloatArray) -> tuple[str, ...]:
        words = []
        if self._unseen_s > UNSEEN_S:
            words.append(
                'the road near the robot is not seen, so the speed is what the IMU and the view ahead say: check the '
                'pitch of the camera, its height (camera_height), and what stands before it'
            )
        elif sigma[2] > DOUBTFUL * max(abs(t_level[2]), 0.05):
            words.append('the speed over the road is not clear: it has little texture, or the view is blocked')
        return tuple(words)
