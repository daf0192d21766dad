"""The services of the configured node: ~/reset, ~/reset_to_pose, ~/pause."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from atvio_ros.errors import SettingsError
from atvio_ros.odometry.start import Start
from atvio_ros.ros.conversions import pose_from_numbers
from atvio_ros.srv import ResetToPose


class Controls(Protocol):
    """What can be asked of the odometry that runs."""

    def reset(self, start: Start) -> None:
        """Start again, there."""

    def pause(self, paused: bool) -> None:
        """Drop and count what comes, or go on."""


class Services:
    """Turns requests into calls of the controls, and refusals into answers that say why."""

    def __init__(self, node: Node, controls: Controls) -> None:
        self._node = node
        self._controls = controls
        self._services = [
            node.create_service(Trigger, '~/reset', self._reset),
            node.create_service(ResetToPose, '~/reset_to_pose', self._reset_to_pose),
            node.create_service(SetBool, '~/pause', self._pause),
        ]

    def close(self) -> None:
        """Take the services out of the graph."""
        for service in self._services:
            self._node.destroy_service(service)

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._controls.reset(Start())
        response.success, response.message = True, 'odometry starts at the origin'
        return response

    def _reset_to_pose(self, request: ResetToPose.Request, response: ResetToPose.Response) -> ResetToPose.Response:
        p, q = request.pose.pose.position, request.pose.pose.orientation
        try:
            T_odom_base = pose_from_numbers((p.x, p.y, p.z, q.x, q.y, q.z, q.w), 'pose')
            start = Start(T_odom_base, np.asarray(request.pose.covariance).reshape(6, 6))
        except SettingsError as error:
            response.success, response.message = False, str(error)
            return response
        self._controls.reset(start)
        response.success, response.message = True, f'odometry starts at {p.x:g}, {p.y:g}, {p.z:g}'
        return response

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._controls.pause(request.data)
        response.success, response.message = True, 'paused' if request.data else 'running'
        return response
