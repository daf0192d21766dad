"""What the odometry said of a drive, a row for each estimate: pose, speed, tilt, attention, state; and its CSV file.

Columns of the file: stamp_ns; x y z [m], qx qy qz qw: base_link in odom; the columns of COLUMNS, empty where an
estimator does not tell them; state; message.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import TrajectoryError
from atvio_ros.files import read_text, write_text
from atvio_ros.geometry import from_quaternions, quaternion, transform
from atvio_ros.types import FloatArray, OdometryEstimate

POSE = ('x', 'y', 'z', 'qx', 'qy', 'qz', 'qw')
COLUMNS: dict[str, str] = {
    'speed': 'm/s, along base_link x',
    'speed_sigma': 'm/s, of it',
    'yaw_rate': 'rad/s, about base_link z',
    'cov_xx': 'm^2, covariance of the position in odom',
    'cov_xy': 'm^2',
    'cov_yy': 'm^2',
    'cov_zz': 'm^2',
    'yaw_sigma': 'rad, of the heading',
    'road_speed': 'm/s, as the road showed it',
    'road_sigma': 'm/s, of it',
    'road_tilt': 'rad, of the road against the direction of travel',
    'road_support': 'share of the patches of road that agree',
    'travel_pitch': 'rad, direction of travel below where the rig has it',
    'travel_yaw': 'rad, right of it',
    'travel_sigma': 'rad, of its pitch',
    'attention_visual': "mean weight of the network's attention on vision",
    'attention_inertial': 'on inertia',
}
HEAD = ('stamp_ns', *POSE, *COLUMNS, 'state', 'message')


@dataclass(frozen=True)
class Timeline:
    """N estimates; a value that was not told is NaN."""

    stamps_ns: NDArray[np.int64]  # (N,)
    poses: FloatArray  # (N, 4, 4) base_link in odom
    values: Mapping[str, FloatArray]  # each of COLUMNS: (N,)
    states: Sequence[str]  # N of tracking, degraded, stationary, ...
    messages: Sequence[str]  # N, why it is degraded; '' mostly

    def __len__(self) -> int:
        return len(self.stamps_ns)


def timeline_of(estimates: Sequence[OdometryEstimate]) -> Timeline:
    """The rows of a run, in its order."""
    rows = [_values(estimate) for estimate in estimates]
    return Timeline(
        np.array([estimate.stamp_ns for estimate in estimates], dtype=np.int64),
        np.array([estimate.T_odom_base for estimate in estimates], dtype=np.float64).reshape(-1, 4, 4),
        {name: np.array([row.get(name, math.nan) for row in rows]) for name in COLUMNS},
        [estimate_state(estimate) for estimate in estimates],
        ['; '.join(estimate.warnings) for estimate in estimates],
    )


def estimate_state(estimate: OdometryEstimate) -> str:
    """stationary, degraded or tracking, as the node would call it by this estimate alone."""
    return 'stationary' if estimate.stationary else 'degraded' if estimate.warnings else 'tracking'


def write_timeline(path: Path, timeline: Timeline) -> None:
    """Write the CSV file. Raises FileError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(HEAD)
    quaternions = quaternion(timeline.poses[:, :3, :3])
    for i, stamp_ns in enumerate(timeline.stamps_ns):
        numbers = (*timeline.poses[i, :3, 3], *quaternions[i], *(timeline.values[name][i] for name in COLUMNS))
        cells = ['' if math.isnan(value) else f'{value:.9g}' for value in numbers]
        writer.writerow((int(stamp_ns), *cells, timeline.states[i], timeline.messages[i]))
    write_text(path, text.getvalue())


def read_timeline(path: Path) -> Timeline:
    """Read what write_timeline wrote. Raises TrajectoryError naming the file, and the line where one is wrong."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(path))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrajectoryError(f'{path} cannot be read: {error}. Check the file and its permissions.') from error
    if not rows or tuple(rows[0]) != HEAD:
        raise TrajectoryError(
            f'{path} is not a timeline.csv of this version: its first line names other columns. Run the bag again.'
        )
    if len(rows) < 2:
        raise TrajectoryError(f'{path} holds no estimates. Run the bag again.')
    stamps, numbers = [], []
    for line, row in enumerate(rows[1:], 2):
        try:
            stamps.append(int(row[0]))
            numbers.append([float(cell) if cell else math.nan for cell in row[1:-2]])
            if len(row) != len(HEAD) or not np.isfinite(numbers[-1][: len(POSE)]).all() or not any(numbers[-1][3:7]):
                raise ValueError
        except (ValueError, IndexError):
            raise TrajectoryError(
                f'{path}, line {line} is not a row of {len(HEAD)} columns with a pose. Run the bag again.'
            ) from None
    table = np.array(numbers)
    rotations = from_quaternions(table[:, 3:7])
    return Timeline(
        np.array(stamps, dtype=np.int64),
        np.stack([transform(R, position) for R, position in zip(rotations, table[:, :3], strict=True)]),
        {name: table[:, len(POSE) + i] for i, name in enumerate(COLUMNS)},
        [row[-2] for row in rows[1:]],
        [row[-1] for row in rows[1:]],
    )


def _values(estimate: OdometryEstimate) -> dict[str, float]:
    P, motion, geometry = estimate.pose_covariance, estimate.motion, estimate.geometry
    values = {
        'speed': float(estimate.linear_velocity[0]),
        'speed_sigma': math.sqrt(max(0.0, float(estimate.twist_covariance[0, 0]))),
        'yaw_rate': float(estimate.angular_velocity[2]),
        'cov_xx': float(P[0, 0]),
        'cov_xy': float(P[0, 1]),
        'cov_yy': float(P[1, 1]),
        'cov_zz': float(P[2, 2]),
        'yaw_sigma': math.sqrt(max(0.0, float(P[5, 5]))),
        'attention_visual': motion.attention_visual,
        'attention_inertial': motion.attention_inertial,
    }
    if (road := motion.road) is not None:
        values |= {
            'road_speed': road.speed,
            'road_sigma': road.sigma,
            'road_tilt': road.tilt,
            'road_support': road.support,
        }
    if geometry is not None:
        x, y, z = geometry.R_image_level[:, 2]
        values |= {
            'travel_pitch': math.atan2(y, math.hypot(x, z)),
            'travel_yaw': math.atan2(x, z),
            'travel_sigma': geometry.pitch_sigma,
        }
    return values
