"""Settings for all tests."""

import os

# A test and a node share few cores: threads that wait for each other make everything several times slower.
os.environ.setdefault('OMP_NUM_THREADS', '1')
