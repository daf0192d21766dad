"""Direction of travel, and what the road showed, over a whole run: for the report's pictures and remarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.types import NANOSECONDS, FloatArray, OdometryEstimate


@dataclass(frozen=True)
class Ways:
    """Direction of travel of N frame pairs, seen in the level axes that the rig tells."""

    seconds: FloatArray  # (N,) since the first
    pitch: FloatArray  # (N,) rad, > 0: below where the rig has it
    yaw: FloatArray  # (N,) rad, > 0: to the right of it
    pitch_sigma: FloatArray  # (N,) rad
    yaw_sigma: FloatArray  # (N,) rad
    confident: NDArray[np.bool_]  # (N,)

    def remark(self) -> str:
        """What a person should read of it."""
        doubtful = 100.0 * float(np.mean(~self.confident))
        pitch, yaw = (float(np.degrees(values.mean())) for values in (self.pitch, self.yaw))
        return (
            f'Direction of travel: {_sided(pitch, "below", "above")} and {_sided(yaw, "right", "left")} of where the '
            f'rig has it, on average; not confident in {doubtful:.0f} % of the frame pairs.'
        )


def ways(estimates: Sequence[OdometryEstimate]) -> Ways | None:
    """The directions of travel of a run; None where its estimator looks for none (the networks of the paper)."""
    known = [(each.stamp_ns, each.geometry) for each in estimates if each.geometry is not None]
    if not known:
        return None
    stamps_ns = np.array([stamp_ns for stamp_ns, _ in known], dtype=np.int64)
    geometries = [geometry for _, geometry in known]
    z = np.stack([geometry.R_image_level[:, 2] for geometry in geometries])
    return Ways(
        (stamps_ns - stamps_ns[0]) / NANOSECONDS,
        np.arctan2(z[:, 1], np.hypot(z[:, 0], z[:, 2])),
        np.arctan2(z[:, 0], z[:, 2]),
        np.array([geometry.pitch_sigma for geometry in geometries]),
        np.array([geometry.yaw_sigma for geometry in geometries]),
        np.array([geometry.confident for geometry in geometries]),
    )


@dataclass(frozen=True)
class RoadRow:
    """What the road showed over N frame pairs."""

    seconds: FloatArray  # (N,) since the first
    speed: FloatArray  # (N,) m/s
    sigma: FloatArray  # (N,) m/s
    tilt: FloatArray  # (N,) rad
    support: FloatArray  # (N,) share of the patches that agree


def road_row(estimates: Sequence[OdometryEstimate]) -> RoadRow | None:
    """The measurements of a run; None where its estimator does not measure the road."""
    found = [(each.stamp_ns, each.motion.road) for each in estimates if each.motion.road is not None]
    if not found:
        return None
    stamps_ns = np.array([stamp_ns for stamp_ns, _ in found], dtype=np.int64)
    columns = zip(*((road.speed, road.sigma, road.tilt, road.support) for _, road in found), strict=True)
    return RoadRow((stamps_ns - stamps_ns[0]) / NANOSECONDS, *(np.array(column) for column in columns))


def _sided(degrees: float, positive: str, negative: str) -> str:
    return f'{abs(degrees):.2f} deg {positive if degrees >= 0.0 else negative}'
