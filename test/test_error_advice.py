"""Every error that the package raises on purpose says what to do, found by reading the sources: a new one is seen."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

import atvio_ros
from atvio_ros import errors

PACKAGE = Path(atvio_ros.__file__).parent
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
# What a sentence, or a part of it, begins with that tells the reader what to do.
VERBS = (
    'Add|Align|Ask|Build|Calibrate|Check|Choose|Compare|Convert|Copy|Correct|Cut|Download|Drive|Export|Filter|Fix|Get|'
    'Give|Go|Install|Leave|Lower|Make|Move|Name|Prepare|Publish|Put|Raise|Record|Remove|Rename|Report|Resume|Run|Save|'
    'Scale|Send|Set|Shorten|Source|Split|Stamp|Start|Stop|Take|Train|Try|Unpack|Use|Write'
)
BEGINS = r'(?:^|[.;:,?})] |\b(?:or|and|please|otherwise|here|Debian and Ubuntu: apt) )'
ADVICE = re.compile(
    rf'{BEGINS}(?:{VERBS})\b|\bmust (?:not )?[a-z]+\b|\bneeds?\b|Did you mean|\bSee \{{'
    r'|`(?:ros2|atvio|make|mcap) [^`]+`',
    re.IGNORECASE,
)
# (module, how the message begins): why it may say no more.
ALLOWED = {
    ('cli/calibrate_rig.py', 'Nothing could be found'): 'its notes are the errors of the parts, each with its advice',
}


@functools.cache
def modules() -> list[tuple[str, ast.Module]]:
    paths = sorted(PACKAGE.rglob('*.py'))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text('utf-8'))) for path in paths]


def literal(node: ast.AST) -> str:
    """The text, with {source} for what is put into it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return ''.join(map(literal, node.values))
    if isinstance(node, ast.FormattedValue):
        return f'{{{ast.unparse(node.value)}}}'
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    return f'{{{ast.unparse(node)}}}'


def texts_of(name: str, tree: ast.Module) -> list[str]:
    """What the module assigns to a name, or returns from a function of the name: literal texts."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and name in {each.id for each in node.targets if isinstance(each, ast.Name)}:
            found.append(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name == name:
            found += [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
    return [
        literal(each) for node in found for each in ast.walk(node) if isinstance(each, ast.JoinedStr | ast.Constant)
    ]


def whole(text: str, tree: ast.Module) -> str:
    """The text, and after it what the module has for the names and calls in it."""
    names = re.findall(r'\{(\w+)(?:\(|\})', text)
    return '. '.join((text, *(each for name in names for each in texts_of(name, tree))))


def passes_on(raised: ast.Raise, text: str, handlers: dict[ast.AST, ast.ExceptHandler]) -> bool:
    """Whether it says where an error of the package happened, whose own words, advice included, come last."""
    handler = handlers.get(raised)
    if handler is None or handler.type is None or not text.endswith(f'{{{handler.name}}}'):
        return False
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return all(isinstance(each, ast.Name) and each.id in KINDS for each in caught)


def without_advice(module: str, tree: ast.Module) -> list[str]:
    handlers = {
        raised: node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) for raised in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
            continue
        if getattr(node.exc.func, 'id', None) not in KINDS:
            continue
        text = literal(node.exc.args[0])
        allowed = any(where == module and beginning in text for where, beginning in ALLOWED)
        if not (allowed or ADVICE.search(text) or ADVICE.search(whole(text, tree)) or passes_on(node, text, handlers)):
            found.append(f'{module}:{node.lineno}: {text}')
    return found


def test_every_error_says_what_to_do():
    found = [line for module, tree in modules() for line in without_advice(module, tree)]
    assert found == [], 'end the message with what to do; a verb that VERBS lacks may be added there'


def test_every_exception_is_still_needed():
    texts = {
        module: [literal(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.Constant)]
        for module, tree in modules()
    }
    assert [key for key in ALLOWED if not any(key[1] in text for text in texts[key[0]])] == []


@pytest.mark.parametrize(
    ('source', 'good'),
    [
        ("raise BagError(f'{path} is damaged.')", False),
        ("raise BagError(f'{path} is damaged. Copy it again.')", True),
        ("raise BagError(f'{path} holds a record of nothing.')", False),
        ("raise BagError(f'{path} is damaged. {REMEDY}')", False),
        ("REMEDY = 'Copy it again.'\nraise BagError(f'{path} is damaged. {REMEDY}')", True),
        ("try:\n    f()\nexcept ImageError as error:\n    raise BagError(f'{path}: {error}')", True),
        ("try:\n    f()\nexcept OSError as error:\n    raise BagError(f'{path}: {error}')", False),
        ("raise ValueError('a mistake of the caller')", True),
    ],
)
def test_advice_is_told_from_none(source, good):
    assert (without_advice('made.py', ast.parse(source)) == []) == good
