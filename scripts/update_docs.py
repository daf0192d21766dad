"""Rewrites the tables of settings in the documentation from their declarations.

A table stands between two comments, `<!-- NAME: begin -->` and `<!-- NAME: end -->`; TABLES below has the names. Run it
after a change to a declaration: `.venv/bin/python scripts/update_docs.py`. test/test_docs.py fails until that is done.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the sources beside this file, not an installed copy

MARKED = re.compile(r'(<!-- ([\w-]+): begin -->\n)(.*?)(<!-- \2: end -->)', re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One setting: its name with that of its groups, its default, choices or range, meaning, and its declaration."""

    name: str
    default: str
    allowed: str
    meaning: str
    metadata: Mapping[str, Any]


def rows(cls: Any, elsewhere: Mapping[Any, str] | None = None) -> list[Row]:
    """The settings of a dataclass in the order of declaration.

    A nested dataclass is listed as `group.name`, a tuple of dataclasses as `group[].name`. `elsewhere` has a sentence
    for each dataclass that has a table of its own; it takes one row.
    """
    return list(_rows(cls, _default_of(cls), '', elsewhere or {}))


def settings_table(cls: Any, elsewhere: Mapping[Any, str] | None = None) -> str:
    """A table in Markdown: setting, default, what is allowed, meaning."""
    lines = [_cells(f'`{row.name}`', row.default, row.allowed, row.meaning) for row in rows(cls, elsewhere)]
    return _table('| setting | default | allowed | meaning |', lines)


def node_parameters() -> str:
    """The parameters of atvio_node, and which may change while it runs. Needs ROS 2 (`make setup`)."""
    from atvio_ros.ros.parameters import NodeParameters

    def change(row: Row) -> str:
        if row.name == 'autostart':  # the only one that ROS itself holds fixed
            return 'read-only'
        return 'fixed' if row.metadata['read_only'] else 'may change'

    listed = rows(NodeParameters)
    lines = [_cells(f'`{row.name}`', row.default, row.allowed, row.meaning, change(row)) for row in listed]
    return _table('| parameter | default | allowed | meaning | while running |', lines)


def network_settings() -> str:
    """The configuration of a network."""
    from atvio_ros.network.config import AtvioConfig

    return settings_table(AtvioConfig)


def training_settings() -> str:
    """What a file given to `atvio train --config` may hold."""
    from atvio_ros.network.config import AtvioConfig
    from atvio_ros.training.settings import TrainSettings

    network = 'Changes to the variant: [settings of the network](paper.md#settings-of-the-network).'
    return settings_table(TrainSettings, {AtvioConfig: network})


def road_network_settings() -> str:
    """The configuration of the network road."""
    from atvio_ros.network.road_config import RoadConfig

    return settings_table(RoadConfig)


def road_training_settings() -> str:
    """What a file with `variant: road` given to `atvio train --config` may hold."""
    from atvio_ros.network.road_config import RoadConfig
    from atvio_ros.training.road_settings import RoadTrainSettings

    network = 'Changes to the network: [its settings](road-network.md#settings-of-the-network).'
    return settings_table(RoadTrainSettings, {RoadConfig: network})


def standstill_settings() -> str:
    """What counts as rest."""
    from atvio_ros.odometry.standstill import StandstillSettings

    return settings_table(StandstillSettings)


def imu_errors() -> str:
    """The errors of the simulated IMU."""
    from atvio_ros.rendering.imu import ImuSettings

    return settings_table(ImuSettings)


def conditions() -> str:
    """The conditions of a drawn drive."""
    from atvio_ros.rendering.conditions import Conditions

    return settings_table(Conditions)


def named_conditions() -> str:
    """The conditions that have a name, and what they are."""
    import dataclasses

    from atvio_ros.rendering.conditions import CONDITIONS, ORDINARY

    ordinary = dataclasses.asdict(ORDINARY)
    lines = []
    for name, each in CONDITIONS.items():
        changed = {key: value for key, value in dataclasses.asdict(each).items() if value != ordinary[key]}
        lines.append(_cells(f'`{name}`', ', '.join(f'`{key}={value}`' for key, value in changed.items())))
    return _table('| name | settings |', lines)


def commands() -> str:
    """The commands of `atvio`, in the groups and the order of its help."""
    from atvio_ros.cli.commands import GROUPS

    lines = [
        _cells(title if i == 0 else '', f'`{name}`', summary)
        for title, group in GROUPS.items()
        for i, (name, summary) in enumerate(group.items())
    ]
    return _table('| | command | what it does |', lines)


def rooms() -> str:
    """The parts of the package in the order of imports, as test/test_architecture.py enforces it."""
    allowed = _load(ROOT / 'test' / 'test_architecture.py').MAY_IMPORT
    lines = []
    for part, below in allowed.items():
        folder = ROOT / 'atvio_ros' / part
        if part == 'base':
            name, what = (
                'base: `*.py`',
                'Values, geometry, settings, file formats, message building: what all others share.',
            )
        elif folder.is_dir():
            name, what = f'`{part}/`', _first_line(folder / '__init__.py')
        else:
            name, what = f'`{part}.py`', _first_line(folder.with_suffix('.py'))
        others = [other for other in allowed if other != part]
        imports = (
            'all others' if len(others) > 1 and set(others) == below else ', '.join(o for o in others if o in below)
        )
        lines.append(_cells(name, what, imports or 'nothing'))
    return _table('| in `atvio_ros/` | what it is for | imports |', lines)


TABLES: dict[str, Callable[[], str]] = {
    'node-parameters': node_parameters,
    'network-settings': network_settings,
    'training-settings': training_settings,
    'road-network-settings': road_network_settings,
    'road-training-settings': road_training_settings,
    'standstill-settings': standstill_settings,
    'imu-errors': imu_errors,
    'conditions': conditions,
    'named-conditions': named_conditions,
    'commands': commands,
    'rooms': rooms,
}


def updated(text: str) -> str:
    """A page with its tables made anew. Raises KeyError on a name that TABLES lacks."""
    return MARKED.sub(lambda found: f'{found[1]}{TABLES[found[2]]()}\n{found[4]}', text)


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')), *sorted((ROOT / 'models').glob('*.md'))]


def main() -> None:
    """Rewrite what differs, and name it."""
    for page in pages():
        before = page.read_text(encoding='utf-8')
        after = updated(before)
        if after != before:
            page.write_text(after, encoding='utf-8')
            print(f'Wrote {page.relative_to(ROOT)}')


def _first_line(module: Path) -> str:
    return (ast.get_docstring(ast.parse(module.read_text(encoding='utf-8'))) or '').partition('\n')[0]


def _load(file: Path) -> Any:
    """A module from a file that is in no package."""
    spec = importlib.util.spec_from_file_location(f'docs_{file.stem}', file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look it up there
    spec.loader.exec_module(module)
    return module


def _rows(cls: Any, values: Any, prefix: str, elsewhere: Mapping[Any, str]) -> Iterator[Row]:
    types = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name, expected = prefix + field.name, types[field.name]
        value = getattr(values, field.name) if values is not None else _default(field)
        item = typing.get_args(expected)[0] if typing.get_origin(expected) is tuple else None
        if expected in elsewhere or item in elsewhere:
            yield Row(name, '', '', elsewhere[expected if expected in elsewhere else item], field.metadata)
        elif dataclasses.is_dataclass(expected):
            yield from _rows(expected, value, f'{name}.', elsewhere)
        elif dataclasses.is_dataclass(item):
            yield from _rows(item, _default_of(item), f'{name}[].', elsewhere)
        elif 'description' in field.metadata:
            yield Row(name, _written(value), _allowed(field.metadata), field.metadata['description'], field.metadata)


def _default_of(cls: Any) -> Any:
    """The dataclass with all its defaults; None where it has a field without one."""
    required = [field for field in dataclasses.fields(cls) if _default(field) is dataclasses.MISSING]
    return None if required else cls()


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _written(value: Any) -> str:
    """A default as YAML has it."""
    if value is dataclasses.MISSING:
        return 'required'
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f'[{", ".join(_written(item) for item in value)}]'
    return (value or "''") if isinstance(value, str) else str(value)


def _allowed(metadata: Mapping[str, Any]) -> str:
    """The choices or the range; nothing where any value of the type is allowed."""
    choices, low, high = metadata['choices'], metadata['minimum'], metadata['maximum']
    if choices is not None:
        return ', '.join(map(str, choices))
    if low is not None and high is not None:
        return f'{low:g} to {high:g}'
    return f'≥ {low:g}' if low is not None else ''


def _cells(*cells: str) -> str:
    return ''.join(f'| {cell} ' if cell else '| ' for cell in cells) + '|'


def _table(header: str, lines: list[str]) -> str:
    return '\n'.join([header, '|' + '---|' * (header.count('|') - 1), *lines])


if __name__ == '__main__':
    main()
