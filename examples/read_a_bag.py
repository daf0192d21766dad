"""What is in a bag: images, IMU readings, and the robot as the bag describes it."""

from __future__ import annotations

import argparse
from pathlib import Path

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.drives.bag_drive import bag_rig


def main() -> None:
    """Print a line for each of the first images, with the IMU readings before it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bag', type=Path, help='ROS 1 bag, rosbag2 folder or .mcap file')
    parser.add_argument('--images', type=int, default=5, help='so many (default: 5)')
    arguments = parser.parse_args()
    with BagReader(arguments.bag) as reader:
        rig = bag_rig(reader).rig
        print(f'camera {rig.camera_height} m over the ground, gyro late by {rig.gyro_lag} s')
        readings = images = 0
        for event in reader.events():  # in the order of recording
            if isinstance(event, BagImage):
                print(f'{event.stamp_ns}: image {event.image.shape}, {readings} IMU readings before it')
                readings, images = 0, images + 1
                if images == arguments.images:
                    break
            else:
                readings += 1


if __name__ == '__main__':
    main()
