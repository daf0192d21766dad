"""Where the weights of a model descend from, and the licences that follow from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from atvio_ros.network.card import ModelCard, Parent
from atvio_ros.network.checkpoint import load_model, model_hash
from atvio_ros.network.road_file import is_road_file, load_road, road_hash

UNKNOWN = 'NOASSERTION'  # SPDX's word for a licence that nobody states
# As descriptions of data name them; the spelling of SPDX follows by hyphens for blanks.
_NAMED = re.compile(r'\b(?:CC BY(?:-NC)?(?:-SA|-ND)? \d\.\d|CC0[ -]1\.0|Apache-2\.0|MIT|BSD-[23]-Clause)\b')


def ancestors(path: Path) -> tuple[Parent, ...]:
    """The model file `path` and, after it, the models that it descends from itself. Raises ModelError."""
    if is_road_file(path):
        road, card = load_road(path)
        name, digest = road.config.name, road_hash(road)
    else:
        network, card = load_model(path)
        name, digest = network.config.name, model_hash(network)
    own = Parent(name, digest, stated_licence(card), card.training_data)
    return (own, *card.parents)


def stated_licence(card: ModelCard) -> str:
    """SPDX expression of a model's licence: as its card says, or as the description of its data names it; or ''."""
    if card.licence:
        return card.licence
    named = dict.fromkeys(found.replace(' ', '-') for found in _NAMED.findall(card.training_data))
    return ' AND '.join(named)


def joined_licence(own: str, parents: Sequence[Parent]) -> str:
    """SPDX expression of what binds weights that were trained on data under `own` and began as those of `parents`.

    Every licence counts; a parent that states none counts as NOASSERTION. Empty where nothing is known at all.
    """
    if not parents:
        return own
    licences = [part for text in (own, parents[0].licence or UNKNOWN) for part in text.split(' AND ') if part]
    return ' AND '.join(dict.fromkeys(licences))


def is_non_commercial(licence: str) -> bool:
    """Whether an SPDX expression holds a licence that forbids commercial use."""
    return '-NC' in licence


def licence_lines(card: ModelCard) -> list[str]:
    """The section of a card about licence and descent, in Markdown."""
    lines = ['## Licence and descent', '']
    if card.licence:
        lines += [f'Licence of these weights: {card.licence}.']
        if is_non_commercial(card.licence):
            lines += ['It forbids commercial use, and that holds for whatever is trained from these weights, too.']
        if UNKNOWN in card.licence:
            lines += [f'{UNKNOWN}: a model that these weights descend from states no licence; ask whoever made it.']
    else:
        lines += ['No licence is stated: give that of the data as `data.licence` in the recipe.']
    lines += ['']
    if card.parents:
        lines += [
            'The weights began as those of another model; what it learned from is in them.',
            '',
            '| began as | hash | licence | its training data |',
            '|---|---|---|---|',
            *(
                f'| {parent.name} | `{parent.hash}` | {parent.licence or "not stated"} | {parent.training_data} |'
                for parent in card.parents
            ),
            '',
        ]
    return lines
