"""`python -m atvio_ros.cli`: the `atvio` command where it is not installed."""

import sys

from atvio_ros.cli.main import main

sys.exit(main())
