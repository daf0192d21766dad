"""`-m samples.reads_all_in FOLDER`: reads every bag and PNG there; prints how many were refused and the MB it took."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from atvio_ros.bags.storage import BagStorage
from atvio_ros.errors import AtvioError
from atvio_ros.image_decoding import decode_compressed


def main(folder: Path) -> None:
    """Peak resident memory is counted from here, with everything imported."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for path in folder.iterdir():
        try:
            if path.suffix == '.png':
                decode_compressed('png', path.read_bytes())
            else:
                with BagStorage(path):
                    pass
        except AtvioError:
            refused += 1
    print(refused, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) // 1024)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
