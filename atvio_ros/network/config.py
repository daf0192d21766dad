"""What a network is made of. The configuration travels inside every model file, so a file explains itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from atvio_ros.errors import SettingsError
from atvio_ros.geometry import R_BODY_OPTICAL
from atvio_ros.preprocessing import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from atvio_ros.settings import setting

INERTIAL_CHANNELS = 128  # C2, ATVIO section 2.2
MAX_STAGES = 8

Matrix3 = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

_NOMINAL_R_CAMERA_IMU: Matrix3 = tuple(map(tuple, R_BODY_OPTICAL.T.tolist()))  # type: ignore[assignment]


@dataclass(frozen=True)
class AtvioConfig:
    """Every choice that shapes the network and its arithmetic. The defaults are the paper's, CA-A.

    Raises SettingsError when two choices contradict each other.
    """

    name: str = setting('ca_a', 'Name of the variant, for tables and model cards.')

    visual_encoder: str = setting(
        'plain', 'Family of the visual encoder (docs/paper.md compares them).', choices=('plain', 'residual', 'mobile')
    )
    visual_widths: tuple[int, ...] = setting(
        (16, 32, 64, 128, 64), 'Channels after each halving of the image; the last is C1.', minimum=1, maximum=1024
    )
    inertial_encoder: str = setting(
        'conv1d',
        'conv1d: the paper. lstm: its LSTM-VONAS row. none: images only (VONAS-A).',
        choices=('conv1d', 'lstm', 'none'),
    )
    interpolation: str = setting(
        'bilinear', 'How inertial features reach the visual feature size.', choices=('bilinear', 'nearest')
    )
    fusion: str = setting(
        'ca_a',
        'How visual and inertial features are combined.',
        choices=('ca_a', 'ca_b', 'ca_c', 'ca_d', 'direct_cat', 'sf_soft', 'sf_hard'),
    )
    attention_reduction: int = setting(16, 'r of the squeeze-and-excitation blocks.', minimum=1, maximum=1024)
    gumbel_temperature: float = setting(1.0, 'Temperature of the masks of sf_hard.', minimum=0.01, maximum=100.0)
    lstm_hidden: int = setting(128, 'Hidden states of each LSTM layer.', minimum=1, maximum=4096)
    lstm_layers: int = setting(2, 'LSTM layers.', minimum=1, maximum=8)
    skip_head: bool = setting(False, 'Let the pose head also see visual features and IMU past the LSTM.')

    image_height_px: int = setting(IMAGE_HEIGHT_PX, 'Image height [px].', minimum=32, maximum=4096)
    image_width_px: int = setting(IMAGE_WIDTH_PX, 'Image width [px].', minimum=32, maximum=4096)
    image_channels: int = setting(3, '3: colour. 1: grey; colour images are converted.', choices=(1, 3))
    image_mean: float = setting(0.4, 'Mean of image values in [0, 1].', minimum=0.0, maximum=1.0)
    image_std: float = setting(0.25, 'Standard deviation of image values in [0, 1].', minimum=1e-3)
    imu_mean: tuple[float, float, float, float, float, float] = setting(
        (0.0, 0.0, 0.0, 0.0, 0.0, 9.8), 'Mean of wx wy wz [rad/s], ax ay az [m/s^2].'
    )
    imu_std: tuple[float, float, float, float, float, float] = setting(
        (0.03, 0.03, 0.2, 1.0, 1.0, 0.5), 'Standard deviation of wx wy wz [rad/s], ax ay az [m/s^2].', minimum=1e-6
    )
    motion_std: tuple[float, float, float, float, float, float] = setting(
        (0.03, 0.03, 0.5, 0.003, 0.02, 0.003),
        'Scale of the motion of one frame pair: x y z [m], roll pitch yaw [rad] of the camera.',
        minimum=1e-9,
    )

    view: str = setting(
        'none',
        'none: the whole image, scaled (the paper). level: a virtual camera along the way, for any calibrated camera.',
        choices=('none', 'level'),
    )
    view_intrinsics_px: tuple[float, float, float, float] = setting(
        (240.97, 244.72, 203.04, 62.72), 'fx fy cx cy of the virtual camera at the image size above [px].'
    )
    view_pitch_deg: float = setting(
        0.0, 'The way appears this much below the axis of the virtual camera [deg].', minimum=-45.0, maximum=45.0
    )
    view_height_m: float = setting(
        1.65, 'Camera height of the training data [m]: motions scale with the height of the camera.', minimum=0.05
    )

    rotation: str = setting(
        'network',
        'network: the paper. gyro_residual: the network corrects the pre-integrated gyro.',
        choices=('network', 'gyro_residual'),
    )
    residual_std: tuple[float, float, float] = setting(
        (0.001, 0.001, 0.001), 'Scale of the correction to the gyro, a rotation vector [rad].', minimum=1e-9
    )
    gyro_bias: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0), 'Constant bias taken off the gyro [rad/s], in imu_link.'
    )
    gyro_lag_s: float = setting(
        0.0,
        'How far the gyro lags the images beyond what the rig says [s], as fitted to training data. Undone in training '
        'on data whose rig is not known; the odometry undoes what the rig says.',
        minimum=-1.0,
        maximum=1.0,
    )
    R_camera_imu: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]] = setting(
        _NOMINAL_R_CAMERA_IMU, 'Rotation of the IMU in the optical camera frame, calibrated mounting included, by rows.'
    )
    nominal_interval_s: float = setting(
        0.1, 'Interval of a frame pair where the caller gives none [s].', minimum=1e-3, maximum=10.0
    )

    def __post_init__(self) -> None:
        if not 1 <= len(self.visual_widths) <= MAX_STAGES:
            raise SettingsError(f'visual_widths must name 1 to {MAX_STAGES} widths, not {len(self.visual_widths)}.')
        if self.inertial_encoder == 'none' and (self.fusion != 'direct_cat' or self.rotation != 'network'):
            raise SettingsError(
                'inertial_encoder none leaves nothing to fuse: it needs fusion direct_cat and rotation network, '
                f'not {self.fusion} and {self.rotation}.'
            )
        R = np.array(self.R_camera_imu)
        if not np.allclose(R @ R.T, np.eye(3), atol=1e-5) or np.linalg.det(R) < 0.0:
            raise SettingsError('R_camera_imu is not a rotation matrix: its rows must be orthonormal, right-handed.')

    @property
    def feature_shape(self) -> tuple[int, int, int]:
        """(C1, h, w) of the visual features: each stage halves the image, rounding up. (C1, 4, 13) in the paper."""
        halvings = 2 ** len(self.visual_widths)
        return self.visual_widths[-1], -(-self.image_height_px // halvings), -(-self.image_width_px // halvings)

    @property
    def undoes_lags(self) -> bool:
        """Whether it takes IMU readings without lag and bias; the paper's networks take them as recorded."""
        return self.rotation == 'gyro_residual'

    @property
    def inertial_channels(self) -> int:
        """C2: 128, or 0 without an inertial encoder."""
        return 0 if self.inertial_encoder == 'none' else INERTIAL_CHANNELS


VARIANTS: dict[str, dict[str, str]] = {
    'ca_a': {'fusion': 'ca_a'},
    'ca_b': {'fusion': 'ca_b'},
    'ca_c': {'fusion': 'ca_c'},
    'ca_d': {'fusion': 'ca_d'},
    'direct_cat': {'fusion': 'direct_cat'},
    'sf_soft': {'fusion': 'sf_soft'},
    'sf_hard': {'fusion': 'sf_hard'},
    'lstm_vonas': {'inertial_encoder': 'lstm', 'fusion': 'direct_cat'},
    'vonas_a': {'inertial_encoder': 'none', 'fusion': 'direct_cat'},
    'ca_a_gyro': {'fusion': 'ca_a', 'rotation': 'gyro_residual'},
}


def variant(name: str) -> AtvioConfig:
    """The configuration of a named variant: a row of the paper's Table 2, or ca_a_gyro. Raises SettingsError."""
    if name not in VARIANTS:
        raise SettingsError(f'{name!r} is not a variant of the network. Choose from {", ".join(VARIANTS)}.')
    return dataclasses.replace(AtvioConfig(name=name), **VARIANTS[name])  # type: ignore[arg-type]
