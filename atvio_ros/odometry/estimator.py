"""The network as a motion estimator: one frame pair in, one relative pose out, its recurrent state carried along."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from atvio_ros.errors import ModelError
from atvio_ros.geometry import decode_motion
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.network.atvio import Atvio, LstmState
from atvio_ros.network.checkpoint import default_model_path, load_model, model_hash, untrained_model
from atvio_ros.network.image_input import images_to_tensor
from atvio_ros.network.road_file import is_road_file, load_road, road_hash
from atvio_ros.odometry.readiness import training_remark
from atvio_ros.odometry.road_network import RoadNetworkEstimator
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

    def __init__(
        self, model: Atvio, device: torch.device, name: str, trained: bool, noise: MotionNoise | None = None
    ) -> None:
        self.config = model.config
        self.noise = noise or MotionNoise()
        self.device = device
        self.trained = trained
        self.name = f'{name} ({model_hash(model)})' + ('' if trained else ', UNTRAINED random weights')
        self._model = model.to(device).eval()
        self._state: LstmState | None = None
        self._sight: Sight | None = None
        config = model.config
        size = config.image_width_px, config.image_height_px
        self._virtual = VirtualCamera(*size, *config.view_intrinsics_px)
        self._R_level_view = Rotation.from_rotvec([np.radians(config.view_pitch_deg), 0.0, 0.0]).as_matrix()

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
        made._model = copy.deepcopy(self._model)
        made._sight, made._state = sight, None
        R_image_base = (rig.R_base_camera if sight is None else rig.R_base_camera @ sight.R_camera_stored).T
        made._model.motion.use_mounting(R_image_base)  # type: ignore[operator]
        return made

    def reset(self) -> None:
        """Forget the pairs before."""
        self._state = None

    @torch.inference_mode()
    def predict(self, pair: FramePair) -> RelativeMotion:
        """Relative camera motion over one pair. Raises ImuError when the pair's IMU readings are unusable."""
        block = resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns)  # (11, 6)
        if pair.geometry is not None:
            block[:, :3] += pair.geometry.gyro_correction
        frames = [images_to_tensor(image) for image in self._images(pair)]
        channels = max(len(frame) for frame in frames)  # a camera may change between grey and colour
        images = torch.stack([frame.expand(channels, -1, -1) for frame in frames])[None].to(
            self.device
        )  # (1, 2, C, H, W)
        imu = torch.from_numpy(block.astype(np.float32))[None, None].to(self.device)  # (1, 1, 11, 6)
        interval_s = torch.tensor([[pair.interval_s]], device=self.device)  # (1, 1)
        output = self._model(images, imu, interval_s, self._state)
        self._state = output.state
        visual, inertial = output.attention[0, 0].tolist()
        motion = output.motion[0, 0].cpu().numpy().astype(np.float64)  # (6,)
        return RelativeMotion(self._from_view(decode_motion(motion), pair), visual, inertial)

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
        size = (self.config.image_height_px, self.config.image_width_px)
        with torch.inference_mode():
            images = torch.zeros(1, 2, self.config.image_channels, *size, dtype=torch.uint8, device=self.device)
            self._model(images, torch.zeros(1, 1, 11, 6, device=self.device))


def choose_device(name: str) -> torch.device:
    """'auto', 'cpu', 'cuda' (or 'cuda:1'): auto is CUDA where there is one. Raises ModelError without the one named."""
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if name.startswith('cuda') and not torch.cuda.is_available():
        raise ModelError('device is cuda, but PyTorch finds no CUDA GPU here. Set device to auto or cpu.')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f'device {name!r} is unknown. Use auto, cuda or cpu.') from error
    if device.type not in ('cpu', 'cuda'):
        raise ModelError(f'device {name!r} is not supported. Use auto, cuda or cpu.')
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f'device is {name}, but PyTorch finds {torch.cuda.device_count()} CUDA GPUs, counted from 0.')
    return device


def load_estimator(
    model: Path | None = None, device: str = 'auto', threads: int = 1
) -> NetworkEstimator | RoadNetworkEstimator:
    """The estimator of a model file; None: the shipped default, or, where none is shipped, untrained weights.

    `threads` is how many CPU threads PyTorch takes, in this whole process. One is enough for a frame pair, and with
    more a frame takes several times as long as soon as another program wants the cores. Raises ModelError.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    path = model or default_model_path()
    if path is None:
        return NetworkEstimator(untrained_model('ca_a'), chosen, 'ca_a', trained=False)
    if is_road_file(path):
        road, card = load_road(path)
        return RoadNetworkEstimator(road, f'{road.config.name} ({road_hash(road)})', card.trained, card.noise)
    network, card = load_model(path)
    return NetworkEstimator(network, chosen, network.config.name, card.trained, card.noise)
