"""Settings and fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

# Tests of launch_testing, not of pytest: CMakeLists.txt adds them where ROS has it (docs/ros.md).
collect_ignore = ['launch']

# A test and a node share few cores: threads that wait for each other make everything several times slower.
os.environ.setdefault('OMP_NUM_THREADS', '1')


@pytest.fixture(scope='module')
def running_node() -> Iterator[Graph]:
    """One atvio_node for all tests of a file that leave it as it was."""
    from ros_graph import graph

    with graph() as peer:
        yield peer


@pytest.fixture
def node(running_node: Graph) -> Graph:
    """That node at the beginning of a drive of its own: after a reset, at a later time."""
    running_node.begin()
    return running_node


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of a few kilobytes. Read it only."""
    from samples.models import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.safetensors')


@pytest.fixture(scope='session')
def tiny_drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of three images. Read it only."""
    from samples.bags import write_drive

    return write_drive(tmp_path_factory.mktemp('bags') / 'drive')
