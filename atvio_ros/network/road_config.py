"""What the network `road` is made of. The configuration travels inside its model file."""

from __future__ import annotations

from dataclasses import dataclass

from atvio_ros.errors import SettingsError
from atvio_ros.settings import setting

BANDS = 4  # of depth in which the road is compared
MOST_PATCHES = 20  # of a pair: so many strips in each band
FIGURES = 15  # of a patch; see road/patch_figures.py
LEVEL_SIZE = (64, 208)  # height and width of the level views [px]
AROUND = 25  # points of a curve around the filter's speed
SCALARS = 20
SOURCES = ('road', 'perspective', 'inertial', 'direction')


@dataclass(frozen=True)
class RoadConfig:
    """Every choice that shapes the network and its arithmetic."""

    name: str = setting('road', 'Name of the variant, for tables and model cards.')
    patch_width: int = setting(24, 'Channels of the layers that weigh patches of the road.', minimum=1, maximum=256)
    largest_log_weight: float = setting(2.0, 'Bound of the logarithm of the weight of a patch.', minimum=0.0)
    source_channels: int = setting(16, 'Channels of each source but the inertial one.', minimum=1, maximum=256)
    attention: bool = setting(True, 'CA-A over the features of the sources; otherwise they are concatenated.')
    attention_reduction: int = setting(16, 'r of the squeeze-and-excitation block.', minimum=1, maximum=256)
    without: tuple[str, ...] = setting((), 'Sources left out, for ablations: road, perspective, inertial, direction.')
    hidden: int = setting(48, 'Hidden states of the LSTM.', minimum=1, maximum=1024)
    largest_correction: float = setting(0.0, 'Bound of the correction to the way, in its sigmas.', minimum=0.0)
    largest_turn_deg: float = setting(0.2, 'Bound of the correction to the direction of travel [deg].', minimum=0.0)
    sigma_scale: tuple[float, float, float] = setting(
        (1.0, 1.0, 1.0), 'Calibration of sigma, across, down and along: fitted to validation data.', minimum=1e-3
    )
    errors_last: float = setting(5.0, 'Pairs over which the error of one goes on, for covariances.', minimum=1.0)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.without) - set(SOURCES))
        if unknown:
            raise SettingsError(f'{unknown[0]!r} is no source. Choose from {", ".join(SOURCES)}.')
