"""How fast synthetic drives are set up and rendered: `python -m benchmarks.render_speed [--seed N] [--images N]`."""

from __future__ import annotations

import argparse
import time

from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.conditions import named_conditions


def main() -> None:
    """Print set-up time and frames/s, wall clock, and the processor time a frame needs on all cores together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--length', type=float, default=1000.0, help='metres')
    parser.add_argument('--images', type=int, default=400)
    parser.add_argument('--width', type=int, default=416)
    parser.add_argument('--height', type=int, default=128)
    parser.add_argument('--supersampling', type=float, default=1.5)
    parser.add_argument('--conditions', default='', metavar='NAME[,NAME...]', help='of rendering/conditions.py')
    args = parser.parse_args()
    start = time.perf_counter()
    conditions = named_conditions(args.conditions.split(',') if args.conditions else ())
    settings = DriveSettings(
        seed=args.seed,
        length=args.length,
        width=args.width,
        height=args.height,
        supersampling=args.supersampling,
        conditions=conditions,
    )
    drive = synthesize(settings)
    world = drive.world
    print(f'set-up: {time.perf_counter() - start:.1f} s for {drive.length_m:.0f} m, {len(world.items)} things')
    images = drive.images(0, args.images + 10)
    for _ in range(10):  # the first ones load textures and compile shaders
        next(images)
    start, busy = time.perf_counter(), time.process_time()
    count = sum(1 for _ in images)
    wall_s, busy_s = time.perf_counter() - start, time.process_time() - busy
    print(f'{count / wall_s:.0f} frames/s ({drive.settings.width}x{drive.settings.height}), {count} images')
    print(f'{busy_s / count * 1000:.1f} ms of processor time a frame, {busy_s / wall_s:.2f} cores busy')


if __name__ == '__main__':
    main()
