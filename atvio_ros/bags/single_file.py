"""A bag as one .mcap file, which RViz users play with `ros2 bag play` and Foxglove opens as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import BagError


@contextmanager
def single_file_bag(path: Path) -> Iterator[BagWriter]:
    """Write a bag that becomes the file `path` (.mcap) when it is whole, replacing an older one. Raises BagError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f'.{path.name}.') as folder:
            bag = Path(folder) / path.stem
            with BagWriter(bag) as writer:
                yield writer
            next(bag.glob('*.mcap')).replace(path)
    except OSError as error:
        raise BagError(f'{path} cannot be written: {error.strerror}.') from error
