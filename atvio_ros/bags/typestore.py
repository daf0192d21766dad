"""Makes messages as the dataclasses of `rosbags`, which need no ROS install."""

from __future__ import annotations

from typing import Any

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore


def standard_types() -> Typestore:
    """ROS 2's standard messages. Those used here have not changed since Humble: every later distribution reads them."""
    return get_typestore(Stores.ROS2_JAZZY)


TYPESTORE = standard_types()


class RosbagsMessages:
    """A MessageFactory (see atvio_ros.messages) of rosbags' dataclasses, and their CDR form."""

    def __call__(self, type_name: str, /, **fields: Any) -> Any:
        return TYPESTORE.types[type_name](**fields)

    def serialize(self, message: Any) -> bytes:
        """The CDR bytes (XCDR1 with its 4-byte header) of a message made here."""
        return bytes(TYPESTORE.serialize_cdr(message, message.__msgtype__))
