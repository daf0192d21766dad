"""Finds the files that ship beside the Python code: models, parameters, profiles."""

from __future__ import annotations

from pathlib import Path


def find_resource(name: str) -> Path | None:
    """A file such as 'config/atvio.yaml': in the source tree, or in the installation prefix above this file, or None.

    Symbolic links are not followed, so that an installation made of links is searched, not the tree they lead to.
    """
    for folder in Path(__file__).absolute().parents:
        for place in (folder / name, folder / 'share' / 'atvio_ros' / name):
            if place.is_file():
                return place
    return None
