"""atvio_node: the lifecycle around the odometry, and the process it runs in. What it does when active: session.py.

PyTorch or ONNX Runtime is imported by configuring, if at all: until then the node is small, and answers at once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from atvio_ros.errors import AtvioError, NodeError
from atvio_ros.missing import missing_package
from atvio_ros.ros import starting
from atvio_ros.ros.health import diagnostic_array
from atvio_ros.ros.parameters import NodeParameters, declare_parameters, updated

if TYPE_CHECKING:
    from atvio_ros.odometry.pipeline import Estimator
    from atvio_ros.ros.session import Session

DIAGNOSTICS_PERIOD_S = 1.0
SHUTDOWN_LIMIT_S = 0.7

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def load_estimator(parameters: NodeParameters) -> Estimator:
    """The estimator that the parameters name. Raises ModelError, and NodeError where its packages are missing."""
    from atvio_ros.odometry.estimators import choose_estimator

    model = Path(parameters.model) if parameters.model else None
    try:
        estimator = choose_estimator(
            parameters.estimator, model, parameters.device, parameters.inference_threads, parameters.backend
        )
    except ModuleNotFoundError as error:  # what runs networks comes from pip, and nothing else needs it
        if words := missing_package(error):
            raise NodeError(f'{words}. Or set estimator to road, which needs none.') from error
        raise
    if (
        not estimator.trained and model is None
    ):  # the commands take random weights for trying things out; a robot must not
        raise NodeError(
            'The networks that ship are not installed (a build without models). Name a model file in the parameter '
            'model, or set estimator to road.'
        )
    return estimator


class AtvioNode(LifecycleNode):  # type: ignore[misc]
    """Visual-inertial odometry as a managed node. `load` gives the estimator when it is configured.

    Raises SettingsError or CalibrationError when a parameter given at start is bad.
    """

    def __init__(self, load: Callable[[NodeParameters], Estimator] = load_estimator) -> None:
        super().__init__('atvio_node')
        self._load = load
        self._settings = declare_parameters(self)
        self._session: Session | None = None
        self._failure: AtvioError | None = None  # why it is not configured
        self._starting = self._settings.autostart
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still; diagnostics must not
        self._timer = self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=steady)
        self.add_on_set_parameters_callback(self._on_parameters)

    def start(self) -> None:
        """Configure and activate, unless `autostart` is false. Raises the error that keeps it from that."""
        if not self._settings.autostart:
            self.get_logger().info('waiting to be configured (autostart is false)')
            return
        done = self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS
        self._starting = False
        if not done:
            raise self._failure or NodeError('The node could not be activated; its log has the reason.')

    def close(self) -> None:
        """Free what is configured; waits for the inference that runs."""
        session, self._session = self._session, None
        if session:
            session.close()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, warm it up, create publishers and services. A failure leaves the node unconfigured."""
        with _Told(self.get_logger()):
            from atvio_ros.ros.session import Session

            try:
                estimator = self._load(self._settings)
                estimator.warm_up()
                self._session = Session(self, self._settings, estimator)
            except AtvioError as error:
                self._failure = error
                if not self._starting:  # then it goes to whoever started the process
                    self.get_logger().error(f'not configured: {error}')
                return FAILURE
            self._failure = None
            self.get_logger().info(f'configured: {estimator.name} on {estimator.device}')
            return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to images and IMU."""
        with _Told(self.get_logger()):
            if self._session:
                self._session.activate()
            self._timer.reset()  # not to complain at once that nothing has come
            self.get_logger().info('active; waiting for images and IMU')
            return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the pose is kept."""
        with _Told(self.get_logger()):
            if self._session:
                self._session.deactivate()
            return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and all that configuring made."""
        with _Told(self.get_logger()):
            self.close()
            return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The same; the node stays finalized until its process is stopped."""
        return self.on_cleanup(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition raised what nobody expects: back to unconfigured, with nothing left of it."""
        return self.on_cleanup(state)

    def _publish_diagnostics(self) -> None:
        if self._session:
            level, text, values = self._session.tick()
        elif self._failure:
            level, text, values = DiagnosticStatus.ERROR, f'not configured: {self._failure}', {}
        else:
            level, text, values = DiagnosticStatus.WARN, 'not configured', {}
        self._diagnostics.publish(diagnostic_array(self, level, text, values))

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        self._settings, result = updated(self._settings, changes, self._session is not None)
        if self._session:
            self._session.change(self._settings)
        return result


class _Told(AbstractContextManager[None]):
    """Logs what leaves the block: rclpy turns whatever a transition raises into `error` without a message."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and rclpy.ok():  # a shutdown makes much fail that nobody needs to hear of
            self._logger.error(''.join(traceback.format_exception(kind, error, trace)))


def main(load: Callable[[NodeParameters], Estimator] = load_estimator) -> None:
    """Run the node until SIGINT or SIGTERM; exit status 1 and one line if it cannot start."""
    starting.init('atvio_node')
    threading.Thread(target=_leave_in_time, name='leave in time', daemon=True).start()
    try:
        _spin(AtvioNode(load))
    except ExternalShutdownException:
        pass
    except AtvioError as error:
        if rclpy.ok():
            print(f'atvio_node: {error}', file=sys.stderr, flush=True)
            sys.exit(1)
    except RuntimeError:  # what rclpy raises for everything that is still tried on a context that was shut down
        if rclpy.ok():
            raise
    rclpy.try_shutdown()
    _leave()


def _spin(node: AtvioNode) -> None:
    # rclpy.experimental.EventsExecutor would cost less, but with rclpy 9.1.2 its spin neither runs timers nor ends.
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        node.start()
        executor.spin()
    finally:
        node.close()
        executor.shutdown()
        node.destroy_node()


def _leave_in_time() -> None:
    """End the process when a shutdown takes too long: nothing can interrupt an inference or the loading of a model."""
    while rclpy.ok():
        time.sleep(0.05)
    time.sleep(SHUTDOWN_LIMIT_S)
    _leave()


def _leave() -> None:
    """End the process without taking the interpreter apart: with PyTorch in it that takes long on a busy machine."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == '__main__':
    main()
