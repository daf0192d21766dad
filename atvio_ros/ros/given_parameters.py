"""The parameters that were given at start, before they are declared: whole numbers as decimals, names that are none."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from atvio_ros.errors import SettingsError

WHOLE = {Parameter.Type.INTEGER: Parameter.Type.DOUBLE, Parameter.Type.INTEGER_ARRAY: Parameter.Type.DOUBLE_ARRAY}
SAID = {Parameter.Type.STRING: 'a text', Parameter.Type.DOUBLE: 'a number', Parameter.Type.BOOL: 'true or false'}
OF_ROS = 'qos_overrides.'  # those that rclpy declares later, with a publisher or a subscription


def given_parameters(node: Node) -> Mapping[str, Parameter]:
    """What `-p`, `--params-file` and the constructor gave, by name."""
    # rclpy tells it to nobody else before a parameter is declared, from Humble to Kilted.
    return dict(node._parameter_overrides)


def as_decimal(given: Parameter | None, wanted: Parameter.Type) -> Parameter | None:
    """A parameter with decimals where whole numbers were given for them: ROS takes 5 for no decimal, people do."""
    if given is None or WHOLE.get(given.type_) != wanted:
        return given
    value: Any = given.value
    return Parameter(
        given.name, wanted, float(value) if given.type_ == Parameter.Type.INTEGER else [*map(float, value)]
    )


def declare_all(node: Node, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Declare parameters that need no more than a default, and give their values.

    Warns in the log of what was given and is none of them. Raises SettingsError on a value of another type.
    """
    given = given_parameters(node)
    values = {}
    for name, default in defaults.items():
        kind = Parameter.Type.from_parameter_value(default)
        override = as_decimal(given.get(name), kind)
        if override is not None and override.type_ != kind:
            raise SettingsError(f'The parameter {name} must be {SAID[kind]}, not {override.value!r}.')
        values[name] = default if override is None else override.value
        node.declare_parameter(name, values[name], ignore_override=True)
    if words := misspelt(given, [*values, *(name for name in given if node.has_parameter(name))]):
        node.get_logger().warning(words)
    return values


def misspelt(given: Collection[str], declared: Collection[str]) -> str:
    """What was given and is no parameter, with the name that was meant, in one line; '' where all are known."""
    unknown = sorted(name for name in given if name not in declared and not name.startswith(OF_ROS))
    if not unknown:
        return ''
    said = []
    for name in unknown:
        close = difflib.get_close_matches(name, declared, n=1)
        said.append(f'{name} (did you mean {close[0]}?)' if close else name)
    return f'not parameters of this node, so they do nothing: {", ".join(said)}'


def take_whole_numbers(node: Node, decimals: Mapping[str, Parameter.Type]) -> None:
    """Have whole numbers taken for decimals while the node runs, too, where rclpy lets us look first."""

    def convert(changes: list[Parameter]) -> list[Parameter]:
        return [as_decimal(each, decimals[each.name]) if each.name in decimals else each for each in changes]

    register = getattr(node, 'add_pre_set_parameters_callback', None)  # Humble has none
    if register is not None:
        register(convert)
