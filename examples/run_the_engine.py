"""Odometry of a bag with the engine of the node, without ROS: images and IMU in, poses with covariance out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.odometry.pipeline import assemble, run_offline
from atvio_ros.types import CameraFrame, ImuSample


def main() -> None:
    """Print pose, speed and one sigma of the position, a line an image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bag', type=Path, help='ROS 1 bag, rosbag2 folder or .mcap file')
    parser.add_argument('--model', type=Path, help='model file of a network (default: the road estimator)')
    arguments = parser.parse_args()
    with BagReader(arguments.bag) as reader:
        odometry = assemble(choose_estimator(model=arguments.model), bag_rig(reader).rig)

        def events() -> Iterator[ImuSample | CameraFrame]:
            for event in reader.events():
                yield odometry.intake.frame(event.stamp_ns, event.image) if isinstance(event, BagImage) else event

        for _, estimate in run_offline(events(), odometry.pairer, odometry.engine):
            x, y, z = estimate.T_odom_base[:3, 3]
            sigma = np.sqrt(np.trace(estimate.pose_covariance[:3, :3]))
            speed = estimate.linear_velocity[0]
            print(f'{estimate.stamp_ns}: {x:.2f} {y:.2f} {z:.2f} m, {speed:.2f} m/s, one sigma {sigma:.2f} m')


if __name__ == '__main__':
    main()
