"""Does an hour cost what a minute does? `python -m benchmarks.long_drive BAG --minutes 60 [--json FILE] [--plot FILE]`.

Feeds pairing, engine and prediction with a bag in a loop, its stamps going on, and tells for every minute of driving
the processor time of a frame and the memory. Images are made ready once, before.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

import cv2
import numpy as np

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.files import write_text
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.odometry.pipeline import assemble
from atvio_ros.odometry.predictor import OdometryPredictor
from atvio_ros.types import CameraFrame, ImuSample
from benchmarks.soak import own_memory_mb

PAUSE_NS = 600_000_000  # between two rounds: more than is bridged, so that each begins a stretch
MINUTE_S = 60.0


def minutes(bag: Path, count: int) -> list[dict[str, float]]:
    """One entry for each minute of driving, as it is done."""
    cv2.setNumThreads(1)
    with BagReader(bag) as reader:
        rig = bag_rig(reader).rig
        odometry = assemble(choose_estimator('road', None, 'cpu', 1), rig)
        events = [
            odometry.intake.frame(event.stamp_ns, event.image) if isinstance(event, BagImage) else event
            for event in reader.events()
        ]
    span_ns = events[-1].stamp_ns - events[0].stamp_ns + PAUSE_NS
    predictor, shift_ns, frames, driven_s, done = OdometryPredictor(rig), 0, 0, 0.0, []
    began_s = time.process_time()
    while len(done) < count:
        for event in events:
            moved = dataclasses.replace(event, stamp_ns=event.stamp_ns + shift_ns)
            if isinstance(moved, ImuSample):
                predictor.add(moved)
                odometry.pairer.add_imu(moved)
            elif isinstance(moved, CameraFrame):
                odometry.pairer.add_frame(moved)
            while (pair := odometry.pairer.poll()) is not None:
                predictor.update(odometry.engine.process(pair))
                frames, driven_s = frames + 1, driven_s + pair.interval_s
            if driven_s >= MINUTE_S * (len(done) + 1):
                used_s, began_s = time.process_time() - began_s, time.process_time()
                memory = own_memory_mb(os.getpid())
                done.append(
                    {'minute': len(done) + 1, 'frames': frames, 'frame_ms': 1e3 * used_s / frames, 'mb': memory}
                )
                print(json.dumps(done[-1]), flush=True)
                frames = 0
                if len(done) == count:
                    break
        shift_ns += span_ns
    return done


def plot(done: list[dict[str, float]], path: Path) -> None:
    """Both over the minutes of driving."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.2), layout='constrained')
    cost = figure.subplots()
    memory = cost.twinx()
    at = [each['minute'] for each in done]
    cost.plot(at, [each['frame_ms'] for each in done], color='C0')
    memory.plot(at, [each['mb'] for each in done], color='C1')
    cost.set(xlabel='minutes of driving', ylim=(0.0, 1.4 * max(each['frame_ms'] for each in done)))
    cost.set_ylabel('processor time of a frame [ms]', color='C0')
    memory.set(ylim=(0.0, 1.2 * max(each['mb'] for each in done)))
    memory.set_ylabel('memory [MB]', color='C1')
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print a line a minute, then the first against the last tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bag', type=Path, metavar='BAG')
    parser.add_argument('--minutes', type=int, default=60)
    parser.add_argument('--json', type=Path)
    parser.add_argument('--plot', type=Path)
    arguments = parser.parse_args()
    done = minutes(arguments.bag, arguments.minutes)
    tenth = max(1, len(done) // 10)
    for what in ('frame_ms', 'mb'):
        first, last = (np.median([each[what] for each in part]) for part in (done[:tenth], done[-tenth:]))
        print(f'{what}: {first:.1f} at first, {last:.1f} at last')
    if arguments.json:
        write_text(arguments.json, json.dumps(done, indent=2))
    if arguments.plot:
        plot(done, arguments.plot)


if __name__ == '__main__':
    main()
