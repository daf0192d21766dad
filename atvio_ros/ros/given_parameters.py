"""The parameters that were given at start, before they are declared: whole numbers as decimals, names that are none."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

WHOLE = {Parameter.Type.INTEGER: Parameter.Type.DOUBLE, Parameter.Type.INTEGER_ARRAY: Parameter.Type.DOUBLE_ARRAY}
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
