"""Stand-in for cv_bridge where PyPI is all there is: CvBridge.cv2_to_imgmsg for 8-bit images, as the real one does."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

CHANNELS = {'mono8': 1, '8UC1': 1, 'bgr8': 3, 'rgb8': 3, '8UC3': 3, 'bgra8': 4, 'rgba8': 4}


class CvBridgeError(TypeError):
    """An image that cannot be converted as asked."""


class CvBridge:
    """Converts OpenCV images to sensor_msgs/Image."""

    def cv2_to_imgmsg(self, cvim: Any, encoding: str = 'passthrough', header: Header | None = None) -> Image:
        """Message of an image (H, W) or (H, W, C) uint8. `passthrough` names its type only (8UC1, 8UC3).

        Raises CvBridgeError on another type, or where the encoding has another number of channels.
        """
        image = np.ascontiguousarray(cvim)
        channels = 1 if image.ndim == 2 else image.shape[-1]
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise CvBridgeError(f'an image of uint8 is expected, (H, W) or (H, W, C), not {image.dtype} {image.shape}')
        name = f'8UC{channels}' if encoding == 'passthrough' else encoding
        if CHANNELS.get(name, channels if encoding == 'passthrough' else 0) != channels:
            raise CvBridgeError(f'encoding {encoding!r} does not fit an image of {channels} channels')
        message = Image(
            height=image.shape[0],
            width=image.shape[1],
            encoding=name,
            is_bigendian=int(sys.byteorder == 'big'),
            step=image.shape[1] * channels,
        )
        message.data.frombytes(image.tobytes())
        if header is not None:
            message.header = header
        return message
