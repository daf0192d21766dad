"""What the network `road` is made of. The configuration travels inside its model file."""

from __future__ import annotations

from dataclasses import dataclass

from atvio_ros.errors import SettingsError
from atvio_ros.settings import setting

BANDS = ((1.0, 1.3), (1.22, 1.58), (1.5, 1.96), (1.86, 2.46))  # of depth, as multiples of where the road comes in view
LEVEL_SIZE = (64, 208)  # height and width of the level views [px]
AROUND = 25  # points of a curve around the filter's speed
SCALARS = 20
SOURCES = ('road', 'perspective', 'inertial', 'direction')


@dataclass(frozen=True)
class RoadConfig:
    """Every choice that shapes the network and its arithmetic. Lengths along the road are in cells."""

    name: str = setting('road', 'Name of the variant, for tables and model cards.')
    rows: int = setting(300, 'Cells along the road; a multiple of `stride`.', minimum=60, maximum=1000)
    columns: int = setting(50, 'Cells across; a multiple of twice `strips`.', minimum=10, maximum=400)
    cell: float = setting(0.02, 'Cell along the road [camera heights] where it begins up to `wide_from` ahead.')
    cell_across: float = setting(0.05, 'Cell across [camera heights].', minimum=0.005, maximum=0.5)
    wide_from: float = setting(3.0, 'Road that begins farther ahead has cells longer in proportion.', minimum=0.5)
    strips: int = setting(5, 'Patches side by side.', minimum=1, maximum=25)
    forward: int = setting(150, 'Largest shift forward; a multiple of `stride`.', minimum=30, maximum=600)
    backward: int = setting(15, 'Largest shift backward; a multiple of `stride`.', minimum=3, maximum=150)
    stride: int = setting(3, 'Cells along the road to one of the learned features.', minimum=1, maximum=8)
    sideways: int = setting(1, 'Largest shift of learned features to each side.', minimum=0, maximum=4)
    features: int = setting(8, 'Channels of learned road features; 0: none.', minimum=0, maximum=64)
    curve_width: int = setting(12, 'Channels of the layers over curves.', minimum=1, maximum=128)
    source_channels: int = setting(16, 'Channels of each source but the inertial one.', minimum=1, maximum=256)
    attention: bool = setting(True, 'CA-A over the features of the sources; otherwise they are concatenated.')
    attention_reduction: int = setting(16, 'r of the squeeze-and-excitation block.', minimum=1, maximum=256)
    without: tuple[str, ...] = setting((), 'Sources left out, for ablations: road, perspective, inertial, direction.')
    hidden: int = setting(48, 'Hidden states of the LSTM.', minimum=1, maximum=1024)
    largest_correction: float = setting(0.05, 'Bound of the correction to the speed, as a share.', minimum=0.0)
    largest_turn_deg: float = setting(0.4, 'Bound of the correction to the direction of travel [deg].', minimum=0.0)
    trust: float = setting(2.0, 'Weight of the curves in the filter.', minimum=0.01)
    felt_sigma: float = setting(1.0, 'Deviation of the felt acceleration [m/s^2].', minimum=0.01)
    sigma_scale: tuple[float, float, float] = setting(
        (1.0, 1.0, 1.0), 'Calibration of sigma, across, down and along: fitted to validation data.', minimum=1e-3
    )
    errors_last: float = setting(5.0, 'Pairs over which the error of one goes on, for covariances.', minimum=1.0)

    def __post_init__(self) -> None:
        lengths = self.rows, self.forward, self.backward
        if any(length % self.stride for length in lengths) or self.columns % (2 * self.strips):
            raise SettingsError(
                'rows, forward and backward must be multiples of stride, columns of twice the strips: '
                f'{lengths}, {self.stride}; {self.columns}, {self.strips}.'
            )
        unknown = sorted(set(self.without) - set(SOURCES))
        if unknown:
            raise SettingsError(f'{unknown[0]!r} is no source. Choose from {", ".join(SOURCES)}.')

    @property
    def shifts(self) -> int:
        """Number of shifts looked at."""
        return self.backward + self.forward + 1

    def cell_length(self, nearest: float) -> float:
        """Length of a cell [camera heights] where the road comes into view `nearest` heights ahead."""
        return self.cell * max(1.0, nearest / self.wide_from)
