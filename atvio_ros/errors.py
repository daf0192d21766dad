"""The errors this package raises on purpose. Each message says what happened, what was expected and what to do."""


class AtvioError(Exception):
    """Base of every expected error. Command lines print it as one line, the node logs it; anything else is a bug."""


class SettingsError(AtvioError):
    """A setting is unknown, of the wrong type, out of range, or contradicts another."""


class FileError(AtvioError):
    """A file or folder cannot be written."""


class BagError(AtvioError):
    """A bag is missing, damaged, or lacks what is needed from it."""


class DatasetError(AtvioError):
    """Source files (KITTI drives, loose files, prepared folders) are missing or inconsistent."""


class ImageError(AtvioError):
    """An image has an unknown encoding or contradicts its own description."""


class MessageError(AtvioError):
    """A message holds what it may not, such as a pose without a rotation."""


class ImuError(AtvioError):
    """IMU readings are unusable: not finite, or not covering the time asked for."""


class CalibrationError(AtvioError):
    """A camera, a mounting or a clock is described impossibly, or not as the images are."""


class ModelError(AtvioError):
    """A model file is missing, damaged, of another version, or does not fit its own description."""


class TrajectoryError(AtvioError):
    """A trajectory file is malformed, or two trajectories cannot be compared."""


class RenderError(AtvioError):
    """Headless rendering is not possible here."""


class NodeError(AtvioError):
    """The ROS graph did not do what was asked of it in time."""


class FleetError(AtvioError):
    """Tasks failed, or the cluster that was to do them."""
