"""`python -m atvio_ros.cli`: the `atvio` command where it is not installed."""

import sys

from atvio_ros.cli.main import main

if __name__ == '__main__':  # processes that this one starts import the module again
    sys.exit(main())
