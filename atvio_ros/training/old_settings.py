"""Settings as they were before a recipe had stages: refused, with the lines to write in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from atvio_ros.errors import SettingsError

_OLD_STAGES: dict[str, dict[str, Any]] = {'pairs': {'window': 2, 'batch_size': 32}, 'sequences': {}}  # old defaults
_NOW_IN_STAGES = ('validate_every_epochs', 'select_by')


def refuse_old_form(values: Mapping[str, Any]) -> None:
    """Raise SettingsError if `values` holds `pairs`, `sequences` or what is a setting of each stage now."""
    old = [key for key in (*_OLD_STAGES, *_NOW_IN_STAGES) if key in values]
    if not old:
        return
    shared = {key: values[key] for key in _NOW_IN_STAGES if key in values}
    stages = []
    for name, defaults in _OLD_STAGES.items():
        given = values.get(name, {})
        given = given if isinstance(given, Mapping) else {}
        epochs = given.get('epochs', 0 if name == 'pairs' else 100)
        if epochs:
            stages.append({'name': name, **defaults, **given, 'epochs': epochs, **shared})
    new = yaml.safe_dump({'stages': stages}, default_flow_style=True, sort_keys=False, width=100_000).strip()
    raise SettingsError(
        f'train.{old[0]} belongs to the stages of a recipe now. In place of {", ".join(old)} write {new[1:-1]}'
    )
