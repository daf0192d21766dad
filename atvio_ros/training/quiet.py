"""Keeps Lightning's banners, and hints about things we decided on purpose, off the terminal."""

from __future__ import annotations

import logging
import warnings

import lightning.pytorch  # noqa: F401  sets its loggers' levels when imported


def quiet_lightning() -> None:
    """Errors and real warnings still show."""
    for name in ('lightning', 'lightning.pytorch', 'lightning.fabric'):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        '.*does not have many workers.*',  # windows are read in milliseconds
        '.*It is recommended to use .*sync_dist.*',  # figures are gathered before they are logged
        '.*LeafSpec.*',  # torch's, about Lightning's use of it
    ):
        warnings.filterwarnings('ignore', message=message)
