"""Settings for all tests."""

import os

# Two tests, or a test and a node, on one machine: threads that wait for each other make everything several times slower.
os.environ.setdefault('OMP_NUM_THREADS', '1')
