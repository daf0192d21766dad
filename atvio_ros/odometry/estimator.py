"""A network of the paper as a motion estimator: one frame pair in, one relative pose out, whatever runs the network."""

from __future__ import annotations

import copy

import numpy as np

from atvio_ros.geometry import decode_motion, rotations
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.networks import PairNetwork
from atvio_ros.odometry.readiness import training_remark
from atvio_ros.odometry.sight import Sight
from atvio_ros.preprocessing import resample_imu
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FloatArray, FramePair, ImageArray, RelativeMotion
from atvio_ros.view.virtual_camera import VirtualCamera


class NetworkEstimator:
    """Runs an ATVIO network pair by pair. `name` and `trained` tell people what made the odometry, `noise` how far it
    may be off.
    """

    kind = 'network'

    def __init__(self, network: PairNetwork, trained: bool, noise: MotionNoise | None = None) -> None:
        config = network.config
        self.network = network
        self.config = config
        self.noise = noise or MotionNoise()
        self.trained = trained
        self.name = f'{config.name} ({network.digest})' + ('' if trained else ', UNTRAINED random weights')
        self._sight: Sight | None = None
        size = config.image_width_px, config.image_height_px
        self._virtual = VirtualCamera(*size, *config.view_intrinsics_px)
        self._R_level_view = rotations(np.array([np.radians(config.view_pitch_deg), 0.0, 0.0]))

    @property
    def device(self) -> object:
        """Where the network runs, for people."""
        return self.network.device

    @property
    def view(self) -> VirtualCamera | None:
        """The virtual camera that the network looks through; None: it takes whole images, scaled."""
        return self._virtual if self.config.view == 'level' else None

    @property
    def image_size_px(self) -> tuple[int, int]:
        """Height and width of the images it takes."""
        return self.config.image_height_px, self.config.image_width_px

    @property
    def undoes_lags(self) -> bool:
        """Whether it was trained on IMU readings without the lag of their filters; the paper's are as recorded."""
        return self.config.undoes_lags

    def remark(self, rig: Rig) -> str | None:
        """See pipeline.Estimator."""
        if self.view is None:
            return None
        return training_remark(rig, self._virtual, self._R_level_view, self.config.view_height_m)

    def on_robot(self, rig: Rig, sight: Sight | None) -> NetworkEstimator:
        """This estimator with a memory of its own for a robot, looking through `sight` if it needs a view."""
        made = copy.copy(self)
        made._sight = sight
        R_image_base = (rig.R_base_camera if sight is None else rig.R_base_camera @ sight.R_camera_stored).T
        made.network = self.network.on_robot(R_image_base)
        return made

    def reset(self) -> None:
        """Forget the pairs before."""
        self.network.reset()

    def predict(self, pair: FramePair) -> RelativeMotion:
        """Relative camera motion over one pair. Raises ImuError when the pair's IMU readings are unusable."""
        block = resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns)  # (11, 6)
        if pair.geometry is not None:
            block[:, :3] += pair.geometry.gyro_correction
        images = self._images(pair)
        channels = max(image.shape[2] for image in images)  # a camera may change between grey and colour
        pixels = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])  # (2, H, W, C)
        answer = self.network.motion(pixels, block.astype(np.float32), pair.interval_s)
        visual, inertial = answer.attention.tolist()
        return RelativeMotion(self._from_view(decode_motion(answer.motion.astype(np.float64)), pair), visual, inertial)

    def _images(self, pair: FramePair) -> tuple[ImageArray, ImageArray]:
        """What the network sees of a pair: both images in the level axes of the second."""
        if self._sight is None or pair.geometry is None:
            return pair.previous.image, pair.current.image
        R_camera_view = self._sight.R_camera_stored @ pair.geometry.R_image_level @ self._R_level_view
        previous, current = (
            self._sight.stored.draw(frame.image, self._virtual, R_camera_view)
            for frame in (pair.previous, pair.current)
        )
        return previous, current

    def _from_view(self, T: FloatArray, pair: FramePair) -> FloatArray:
        """The network's motion (4, 4) in the axes of the kept images, in metres of this robot."""
        if self._sight is None or pair.geometry is None:
            return T
        scale = self._sight.camera_height / self.config.view_height_m
        T = T.copy()
        T[:3, 3] = scale * (pair.geometry.R_image_level @ self._R_level_view @ T[:3, 3])
        return T

    def warm_up(self) -> None:
        """Run once on blank input, so that the first real pair does not pay for allocation and kernel selection."""
        self.network.warm_up()
