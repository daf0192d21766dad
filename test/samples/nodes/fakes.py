"""An estimator that tells what a test wants of it: whole images, no calibration, no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from atvio_ros.geometry import translation
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.sight import Sight
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FramePair, RelativeMotion


def one_metre(pair: FramePair) -> RelativeMotion:
    """The camera moves one metre along its optical axis."""
    return RelativeMotion(translation(0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Fake:
    """One metre along the optical axis in every frame pair, or what `predict` says."""

    predict: Callable[[FramePair], RelativeMotion] = one_metre
    kind: str = 'network'
    name: str = 'a fake'
    trained: bool = True
    device: str = 'cpu'
    noise: MotionNoise = field(default_factory=MotionNoise)
    view: None = None
    image_size_px: tuple[int, int] = (128, 416)
    undoes_lags: bool = False

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def remark(self, rig: Rig) -> None:
        """Every robot is fine."""

    def on_robot(self, rig: Rig, sight: Sight | None) -> Fake:
        """The same on every robot."""
        return self

    def reset(self) -> None:
        """It remembers nothing."""
