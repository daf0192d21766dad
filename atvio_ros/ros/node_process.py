"""atvio_node in a process of its own, for a bag: set up, watched, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from atvio_ros.bags.reader import BagReader
from atvio_ros.rig.rig import Rig
from atvio_ros.rig.rig_yaml import write_rig

START_LIMIT_S = 60.0  # importing PyTorch and loading a model takes seconds, on a busy machine many
STOP_LIMIT_S = 10.0
PATIENCE_S = 3.0  # that the node waits for the IMU
IMAGE_DEPTH = 50
IN_FLIGHT = 4  # images that may be on their way, or in the node, without an answer


@contextmanager
def spinning(node: Node, context: Context) -> Iterator[None]:
    """A thread that runs the node's callbacks until the block ends."""
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()


@contextmanager
def node_process(
    reader: BagReader, rig: Rig, parameters: dict[str, Any], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """atvio_node, set up for the bag of `reader` and its robot, until the block ends. Its output goes to `log`."""
    settings = {
        'image_reliability': 'reliable',
        'imu_reliability': 'reliable',
        'image_depth': IMAGE_DEPTH,
        'imu_depth': 5000,  # all that comes with so many images
        'queue_limit': 10 * IN_FLIGHT,
        'max_wait': PATIENCE_S,
        'compressed_image': 'CompressedImage' in reader.types({reader.topics.image or ''}).popitem()[1],
        **parameters,
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, log.open('wb') as output:
        file, rig_file = Path(folder) / 'parameters.yaml', Path(folder) / 'rig.yaml'
        write_rig(rig_file, rig)
        settings['rig'] = str(rig_file)
        file.write_text(yaml.safe_dump({'/**': {'ros__parameters': settings}}))
        process = subprocess.Popen(
            [
                sys.executable, '-m', 'atvio_ros.ros.node', '--ros-args', '--params-file', str(file),
                '-r', f'image:={reader.topics.image}', '-r', f'imu:={reader.topics.imu}',
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
