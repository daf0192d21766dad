"""What a frame's views cost on one thread, for each robot of the benchmarks: `python -m benchmarks.view_cost`."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from atvio_ros.odometry.sight import Sight
from atvio_ros.rendering.robots import ROBOTS
from atvio_ros.view.virtual_camera import KITTI_VIEW


def main() -> None:
    """Print milliseconds of processor time, the median of many frames; the images are noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=300)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print('| robot | image | lens taken off (fixed remap) | level view (moves) | together |')
    print('|---|---|---|---|---|')
    for name, settings in ROBOTS.items():
        image = np.random.default_rng(0).integers(0, 255, (settings.height, settings.width), dtype=np.uint8)
        sight = Sight(settings.rig())
        frame = sight.frame(0, image)
        store = milliseconds(lambda sight=sight, image=image: sight.stored.store(image), arguments.frames)
        draw = milliseconds(
            lambda sight=sight, frame=frame: sight.stored.draw(frame.image, KITTI_VIEW, sight.R_camera_stored),
            arguments.frames,
        )
        print(f'| {name} | {settings.width}x{settings.height} | {store:.2f} | {draw:.2f} | {store + draw:.2f} |')


def milliseconds(work: Callable[[], object], frames: int) -> float:
    """Median processor time of one call [ms]."""
    taken = []
    for _ in range(frames):
        start = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - start))
    return statistics.median(taken)


if __name__ == '__main__':
    main()
