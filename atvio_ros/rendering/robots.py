"""Five kinds of robots, each with another camera, another place for it and another IMU: to test with and to measure on.

Angles: pitch looks down, yaw to the left, roll leans right.
"""

from __future__ import annotations

from atvio_ros.rendering.drive_settings import DriveSettings
from atvio_ros.rendering.imu import IDEAL, MEMS

ROBOTS = {
    # Low, slow, a cheap camera and a cheap IMU; most of what it sees is pavement.
    'courier': DriveSettings(
        speed=1.4,
        width=640,
        height=480,
        intrinsics=(465.0, 466.0, 322.5, 236.0),
        distortion_model='plumb_bob',
        distortion=(-0.29, 0.09, 0.0006, -0.0004, -0.012),
        camera_height=0.6,
        camera_pitch_deg=6.0,
        rate=15.0,
        imu_rate=200.0,
        imu_errors=MEMS,
    ),
    # A long lens that looks past the left of the way; the road begins far ahead.
    'van': DriveSettings(
        width=720,
        height=450,
        intrinsics=(910.0, 912.0, 351.0, 228.0),
        camera_height=2.1,
        camera_translation=(1.9, 0.1, 1.2),
        camera_pitch_deg=2.5,
        camera_yaw_deg=2.0,
        camera_roll_deg=0.0,
        rate=10.0,
        imu_rate=100.0,
    ),
    # A fisheye that sees 150 degrees, rolled.
    'panorama': DriveSettings(
        width=1280,
        height=720,
        intrinsics=(490.0, 490.0, 642.0, 355.0),
        distortion_model='equidistant',
        distortion=(-0.012, 0.004, -0.0016, 0.0002),
        camera_height=1.3,
        camera_translation=(1.5, 0.0, 0.8),
        camera_roll_deg=2.0,
        rate=20.0,
        jitter=False,
        imu_rate=400.0,
        imu_errors=IDEAL,
    ),
    # A wide camera behind a high windscreen that looks up a little.
    'truck': DriveSettings(
        speed=14.0,
        width=960,
        height=600,
        intrinsics=(520.0, 520.0, 479.5, 302.0),
        distortion_model='rational_polynomial',
        distortion=(0.9, 0.12, 0.0002, -0.0001, 0.004, 1.25, 0.32, 0.022),
        camera_height=2.2,
        camera_translation=(2.4, 0.2, 1.1),
        camera_pitch_deg=-4.0,
        rate=25.0,
        imu_rate=250.0,
        imu_errors=MEMS,
    ),
    # Close to the ground, 60 degrees wide, many images.
    'kart': DriveSettings(
        speed=6.0,
        width=600,
        height=400,
        intrinsics=(520.0, 520.0, 299.5, 199.5),
        camera_height=0.35,
        camera_translation=(0.5, 0.0, 0.2),
        camera_pitch_deg=0.0,
        rate=30.0,
        imu_rate=200.0,
    ),
}
