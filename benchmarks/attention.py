"""What the channel attention does: `python -m benchmarks.attention BAG --other BAG --model FILE [--json FILE]`.

The mean weight on visual and on inertial channels while the car stands, drives straight, turns, or changes its speed;
and when one of the senses is taken away: images black, noise, frozen; IMU zero, noise, or that of another drive. Beside
the weights, what the network then makes of the motion. The network alone runs: none of the odometry's checks helps it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from atvio_ros.cli import common
from atvio_ros.files import write_text
from atvio_ros.geometry import inverse, rotation_angle
from atvio_ros.odometry.engine import MotionEstimator
from atvio_ros.odometry.loading import load_network
from atvio_ros.types import FloatArray, FramePair, ImageArray, ImuWindow
from benchmarks.drives import PairedDrive, paired_drive

STANDING = 0.2  # m/s, and below
STRAIGHT, TURN = 1.5, 8.0  # deg/s, below and above
ACCELERATION = 1.0  # m/s^2, above
GYRO_NOISE, FORCE_NOISE = 0.3, 3.0  # rad/s and m/s^2: as large as all the motion of a car


@dataclass(frozen=True)
class Row:
    """Means over the frame pairs of one situation."""

    situation: str
    pairs: int
    visual: float  # mean weight, 0 to 1
    inertial: float
    translation_mae_m: float  # a frame
    rotation_mae_deg: float


Disturbance = Callable[[FramePair], FramePair]


def situations(drive: PairedDrive) -> dict[str, NDArray[np.bool_]]:
    """Which of the N pairs belong to each kind of motion."""
    speed, turn_rate = drive.speed, drive.turn_rate
    moving = speed > STANDING
    acceleration = np.abs(np.gradient(speed) / drive.interval_s)
    straight = moving & (turn_rate < STRAIGHT)
    return {
        'standing': ~moving,
        'straight, steady': straight & (acceleration < 0.5 * ACCELERATION),
        'straight, faster or slower': straight & (acceleration > ACCELERATION),
        'turn': moving & (turn_rate > TURN),
    }


def disturbances(other: PairedDrive) -> dict[str, Disturbance]:
    """What is done to the senses; `other` lends its IMU readings."""
    random = np.random.default_rng(0)
    readings = iter(other.pairs * 1000)

    def blind(draw: Callable[[ImageArray], ImageArray]) -> Disturbance:
        return lambda pair: dataclasses.replace(
            pair,
            previous=dataclasses.replace(pair.previous, image=draw(pair.previous.image)),
            current=dataclasses.replace(pair.current, image=draw(pair.current.image)),
        )

    def frozen(pair: FramePair) -> FramePair:
        return dataclasses.replace(pair, current=dataclasses.replace(pair.current, image=pair.previous.image))

    def numb(make: Callable[[FloatArray], FloatArray]) -> Disturbance:
        return lambda pair: dataclasses.replace(pair, imu=ImuWindow(pair.imu.stamps_ns, make(pair.imu.values)))

    def noise(values: FloatArray) -> FloatArray:
        spread = np.array([GYRO_NOISE] * 3 + [FORCE_NOISE] * 3)
        return np.asarray(random.normal(0.0, 1.0, values.shape) * spread + [0.0, 0.0, 0.0, 0.0, 0.0, 9.81])

    def foreign(values: FloatArray) -> FloatArray:
        theirs = next(readings).imu.values
        return np.asarray(theirs[np.minimum(np.arange(len(values)), len(theirs) - 1)])

    return {
        'images black': blind(np.zeros_like),
        'images noise': blind(lambda image: random.integers(0, 256, image.shape, np.uint8)),
        'images frozen': frozen,
        'IMU zero': numb(np.zeros_like),
        'IMU noise': numb(noise),
        'IMU of another drive': numb(foreign),
    }


def measure(estimator: MotionEstimator, drive: PairedDrive, other: PairedDrive) -> list[Row]:
    """A row for each kind of motion, and one for each disturbance of the whole drive."""
    weights, errors = _run(estimator, drive, drive.pairs)
    rows = [_row('all, undisturbed', np.ones(len(drive.pairs), dtype=bool), weights, errors)]
    rows += [_row(name, chosen, weights, errors) for name, chosen in situations(drive).items() if chosen.any()]
    everything = np.ones(len(drive.pairs), dtype=bool)
    for name, disturb in disturbances(other).items():
        rows.append(_row(name, everything, *_run(estimator, drive, [disturb(pair) for pair in drive.pairs])))
    return rows


def _run(estimator: MotionEstimator, drive: PairedDrive, pairs: Sequence[FramePair]) -> tuple[FloatArray, FloatArray]:
    """Weights (N, 2) on vision and inertia, and errors (N, 2) of translation [m] and rotation [deg]."""
    estimator.reset()
    motions = [estimator.predict(pair) for pair in pairs]
    weights = np.array([[motion.attention_visual, motion.attention_inertial] for motion in motions])
    T = np.stack([motion.T_previous_current for motion in motions])
    translation = np.linalg.norm(T[:, :3, 3] - drive.motions[:, :3, 3], axis=1)
    rotation = rotation_angle((inverse(drive.motions) @ T)[:, :3, :3])
    return weights, np.stack((translation, np.rad2deg(rotation)), axis=1)


def _row(name: str, chosen: NDArray[np.bool_], weights: FloatArray, errors: FloatArray) -> Row:
    return Row(name, int(chosen.sum()), *map(float, (*weights[chosen].mean(axis=0), *errors[chosen].mean(axis=0))))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bag', type=Path)
    parser.add_argument('--other', type=Path, required=True, help='another drive, whose IMU is borrowed')
    parser.add_argument('--model', type=Path, help='default: the shipped one')
    parser.add_argument('--json', type=Path)
    common.add_rig_options(parser)
    args = parser.parse_args()
    estimator, given = load_network(args.model, backend='torch'), common.given_rig(args)
    drive, on_robot = paired_drive(args.bag, estimator, given)
    rows = measure(on_robot, drive, paired_drive(args.other, estimator, given)[0])
    headings = ('situation', 'pairs', 'vision', 'inertia', 'translation MAE m', 'rotation MAE deg')
    table = Table(*headings, title=f'{estimator.name} on {args.bag.name}')
    for row in rows:
        table.add_row(*map(format, asdict(row).values(), ('', '', '.3f', '.3f', '.3f', '.3f')))
    Console(width=120).print(table)
    if args.json:
        write_text(args.json, json.dumps([asdict(row) for row in rows], indent=2) + '\n')


if __name__ == '__main__':
    main()
