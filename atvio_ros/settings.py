"""Settings are declared once, as fields of a frozen dataclass, each with its default, meaning and range.

The same declaration checks a YAML file, describes a ROS parameter and fills `--help`; nothing repeats it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from atvio_ros.errors import SettingsError
from atvio_ros.files import read_text

Settings = TypeVar('Settings')
MOST_BYTES = 1 << 20  # of a file of settings
MOST_VALUES = 100_000  # in it, references followed: a few lines of these can stand for billions


def setting(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] | None = None,
    read_only: bool = False,
) -> Any:
    """Declare a field of a settings dataclass; `read_only` settings cannot change while a node runs."""
    metadata = {
        'description': description,
        'minimum': minimum,
        'maximum': maximum,
        'choices': choices,
        'read_only': read_only,
    }
    if isinstance(default, (list, dict)):
        raise TypeError('Use a tuple as the default of a list setting: defaults are shared.')
    return dataclasses.field(default=default, metadata=metadata)


def from_mapping(cls: type[Settings], values: Mapping[str, Any], where: str) -> Settings:
    """Build `cls` from a mapping (as read from YAML). Nested settings dataclasses are filled from nested mappings.

    Raises SettingsError that names the setting (`where.name`), what was given, and what is allowed.
    """
    types = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    unknown = [key for key in values if key not in fields]
    if unknown:
        close = difflib.get_close_matches(str(unknown[0]), fields, n=1)
        hint = f'Did you mean {close[0]}?' if close else f'Choose from {", ".join(fields)}.'
        raise SettingsError(f'{where}.{unknown[0]} is not a setting. {hint}')
    checked = {
        name: check(value, types[name], fields[name].metadata, f'{where}.{name}') for name, value in values.items()
    }
    return cls(**checked)


def check(value: Any, expected: Any, metadata: Mapping[str, Any], name: str) -> Any:
    """Return `value` as `expected`, or raise SettingsError. Integers are accepted for floats, lists for tuples."""
    if dataclasses.is_dataclass(expected):
        if not isinstance(value, Mapping):
            raise SettingsError(f'{name} must be a group of settings (key: value lines), not {value!r}.')
        return from_mapping(typing.cast(Any, expected), value, name)
    if typing.get_origin(expected) is tuple and dataclasses.is_dataclass(entry := typing.get_args(expected)[0]):
        if not isinstance(value, (list, tuple)):
            raise SettingsError(f'{name} must be a list of groups of settings, not {value!r}.')
        return tuple(check(each, entry, {}, f'{name}[{i}]') for i, each in enumerate(value))
    value = _of_type(value, expected, name)
    if value is None:
        return None
    minimum, maximum, choices = (metadata.get(key) for key in ('minimum', 'maximum', 'choices'))
    if choices is not None and value not in choices:
        close = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
        hint = f' Did you mean {close[0]}?' if close else ''
        raise SettingsError(f'{name} must be one of {", ".join(map(str, choices))}, not {value!r}.{hint}')
    for number in _flat(value):
        if isinstance(number, float) and math.isnan(number):
            raise SettingsError(f'{name} must be a number, not NaN.')
        if minimum is not None and number < minimum:
            raise SettingsError(f'{name} must be at least {minimum}, not {number}.')
        if maximum is not None and number > maximum:
            raise SettingsError(f'{name} must be at most {maximum}, not {number}.')
    return value


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings (safe loader: data, never code). Raises SettingsError naming the file."""
    try:
        text = read_text(path, MOST_BYTES)
    except FileNotFoundError:
        raise SettingsError(f'There is no settings file {path}. Check the path.') from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8
        raise SettingsError(
            f'{path} cannot be read as YAML: {" ".join(str(error).split()).rstrip(".")}. Correct it.'
        ) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Settings from YAML text (safe loader: data, never code). Raises SettingsError naming `where` it is from."""
    try:
        values = yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a 13th month
        raise SettingsError(
            f'{where} cannot be read as YAML: {" ".join(str(error).split()).rstrip(".")}. Correct it.'
        ) from error
    if values is None:
        return {}
    if _size(values, {}) > MOST_VALUES:
        raise SettingsError(
            f'{where} holds over {MOST_VALUES} values: its references stand for more than is written.'
            ' Write it without references (& and *).'
        )
    if not isinstance(values, dict):
        raise SettingsError(f'{where} must hold `key: value` settings, not a {type(values).__name__}.')
    return values


def _size(value: Any, known: dict[int, int]) -> int:
    """Number of values in groups and lists, with those that are referred to counted each time."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST_VALUES  # for as long as it is being counted: it may hold itself
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = min(1 + sum(_size(each, known) for each in inner), 2 * MOST_VALUES)
    return known[id(value)]


def _flat(value: Any) -> list[Any]:
    return [number for entry in value for number in _flat(entry)] if isinstance(value, tuple) else [value]


def _of_type(value: Any, expected: Any, name: str) -> Any:
    if typing.get_origin(expected) is tuple:
        if not isinstance(value, (list, tuple)):
            raise SettingsError(f'{name} must be a list, not {value!r}.')
        items = typing.get_args(expected)
        item = items[0]
        if len(items) == 2 and items[1] is Ellipsis:
            return tuple(_of_type(entry, item, name) for entry in value)
        if len(value) != len(items):
            raise SettingsError(f'{name} must be a list of {len(items)} values, not {len(value)}.')
        return tuple(_of_type(entry, item, name) for entry, item in zip(value, items, strict=True))
    options = typing.get_args(expected) or (expected,)
    if value is None and type(None) in options:
        return None
    for option in options:
        if option is float and isinstance(value, int) and not isinstance(value, bool):
            return _to_float(value, name)
        if isinstance(option, type) and isinstance(value, option) and not (option is int and isinstance(value, bool)):
            return value
    names = ' or '.join(getattr(option, '__name__', str(option)) for option in options)
    hint = ''
    if float in options and isinstance(value, str) and re.fullmatch(r'[-+]?\d+(\.\d*)?e[-+]?\d+', value, re.IGNORECASE):
        hint = ' YAML takes a power of ten for text unless it has a point and a sign, as in 1.0e-3.'
    raise SettingsError(f'{name} must be {names}, not {value!r} ({type(value).__name__}).{hint}')


def _to_float(value: int, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise SettingsError(f'{name} must be a number of usual size, not one of {len(str(value))} digits.') from None
