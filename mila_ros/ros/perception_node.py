# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node ``mila``: camera images in, segmentation, depth and motion out.

ROS runs on one thread, which only checks a message and drops it into a mailbox; the network has
a thread of its own (`worker`), where frames become outputs (`pipeline`).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import SetBool

from mila_ros.data.image_encodings import ImageError
from mila_ros.errors import MilaError
from mila_ros.ros import diagnostics, parameters, qos, topics
from mila_ros.ros.camera_statistics import CameraStatistics
from mila_ros.ros.cameras import UNNAMED, Camera, Incoming, check_incoming, describe_format
from mila_ros.ros.keyframe_timer import KeyframeTimer
from mila_ros.ros.loading import load_pipeline
from mila_ros.ros.managed_node import ManagedNode
from mila_ros.ros.parameters import Settings
from mila_ros.ros.publishers import CameraOutputs, missing_outputs
from mila_ros.ros.spin import run_node
from mila_ros.ros.throttle import Throttle
from mila_ros.ros.worker import Worker

if TYPE_CHECKING:
    from mila_ros.ros.pipeline import Pipeline

LOG_PERIOD_S = 10.0
JOIN_TIMEOUT_S = 1.5
MAX_DELAY = "diagnostics.max_acceptable_consecutive_delay_ms"


class PerceptionNode(ManagedNode):
    """See the package's documentation for topics and parameters.

    Raises:
        ParameterError: a parameter given at the start has a wrong type or is out of range.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("mila", **node_arguments)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._worker: Worker[Incoming] = Worker(self._process, self._on_failed_frame)
        self._throttle = Throttle(LOG_PERIOD_S)
        self._pipeline: Pipeline | None = None
        self._cameras: dict[str, Camera] = {}
        self._inputs: list[Any] = []
        self._settings: Settings | None = None
        self._keyframe_timer: KeyframeTimer | None = None
        self._is_active = False
        self._is_enabled = True
        self.create_service(SetBool, topics.ENABLE.name, self._on_enable)
        # Not a lifecycle publisher and not on the ROS clock: it speaks in every state, and when
        # a bag that drives the clock has ended.
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS.name, 1)
        period_s = self.get_parameter("diagnostics.period_s").value
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(period_s, self._report, clock=steady)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._on_time_jump,
        )

    def destroy_node(self) -> None:
        """End the worker, then the node."""
        if not self._worker.close(JOIN_TIMEOUT_S):
            self.get_logger().warning("The network is still busy with a frame; it is abandoned.")
        self._jumps.unregister()
        super().destroy_node()

    def configure(self) -> None:
        """Load the model and create the publishers."""
        settings = parameters.read(self)
        self.get_logger().info(f"Loading the model {settings.model} ...")
        load = partial(load_pipeline, settings, self._cameras, self._now_ns, self._warn)
        loading = self._worker.call(load)
        # An engine may compile for minutes, in which /diagnostics must not fall silent.
        verb = "loading" if settings.engine == "eager" else "building"
        while not wait([loading], self.get_parameter("diagnostics.period_s").value).done:
            self._report(f"{verb} {settings.model} for the engine {settings.engine}")
        self._pipeline, self._worker.max_items = loading.result(), settings.max_batch_size
        bundle = self._pipeline.perception.bundle
        try:
            for name in settings.cameras:
                prefix = f"~/{name}/" if name else "~/"
                outputs = CameraOutputs(self, prefix, bundle, settings)
                statistics = CameraStatistics(self._input_topic(prefix, settings))
                info_topic = self.resolve_topic_name(prefix + "input/camera_info")
                self._cameras[name or UNNAMED] = Camera(info_topic, outputs, statistics)
        except MilaError:
            self.release()
            raise
        device = self._pipeline.perception.device
        self.get_logger().info(f"Loaded the model {bundle.name} on {device}.")
        for sentence in missing_outputs(bundle):
            self.get_logger().info(sentence)

    def _input_topic(self, prefix: str, settings: Settings) -> str:
        """The topic of the images after remapping; image_transport's rule for compressed ones."""
        topic = self.resolve_topic_name(prefix + "input/image")
        is_compressed = settings.image_transport == "compressed"
        return self.resolve_topic_name(topic + "/compressed") if is_compressed else topic

    def activate(self) -> None:
        """Subscribe, unless that is disabled."""
        for camera in self._cameras.values():
            camera.outputs.announce_labels()
        if self._is_enabled:
            self._start()
        self._is_active = True
        self._pipeline.prepare_attention(self.get_logger().info)

    def deactivate(self) -> None:
        """Unsubscribe, and forget the streams."""
        self._is_active = False
        self._stop()

    def _start(self) -> None:
        settings = self._current_settings()
        image_type = CompressedImage if settings.image_transport == "compressed" else Image
        try:
            for name, camera in self._cameras.items():
                camera.restart()
                # The calibration first: of what has come together, it is then taken first.
                self._subscribe(CameraInfo, camera.info_topic, camera.set_info)
                self._subscribe(image_type, camera.statistics.topic, partial(self._on_image, name))
        except MilaError:
            self._stop()
            raise
        self._schedule_keyframes()

    def _stop(self) -> None:
        while self._inputs:
            self.destroy_subscription(self._inputs.pop())
        self._schedule_keyframes()
        self._worker.mailbox.clear()
        if self._pipeline is not None:
            # After the frame that is being processed, so that it still finds its publishers.
            self._worker.call(self._pipeline.restart).result()

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Start or stop the subscriptions of an active node; of another, once it is active."""
        was_enabled, self._is_enabled = self._is_enabled, request.data
        response.success, response.message = True, "enabled" if request.data else "disabled"
        if self._is_active and was_enabled != self._is_enabled:
            try:
                (self._start if self._is_enabled else self._stop)()
            except MilaError as error:
                self._is_enabled = False
                response.success, response.message = False, str(error)
        elif not self._is_active:
            response.message += "; the node is not active"
        return response

    def _subscribe(self, message_type: type, topic: str, callback: Callable[[Any], None]) -> None:
        with qos.naming_bad_overrides(self, topic):
            subscription = self.create_subscription(
                message_type,
                topic,
                callback,
                qos.input_qos(),
                event_callbacks=qos.subscription_events(self, topic),
                qos_overriding_options=qos.overrides(),
            )
        self._inputs.append(subscription)

    def release(self) -> None:
        """Free the model and the publishers."""
        self.deactivate()
        while self._cameras:
            self._cameras.popitem()[1].outputs.destroy()
        if self._pipeline is not None:
            close, self._pipeline = self._pipeline.close, None
            self._worker.call(close).result()

    def _on_image(self, name: str, message: Image | CompressedImage) -> None:
        camera, settings = self._cameras[name], self._current_settings()
        try:
            check_incoming(message, settings.max_image_pixels)
        except ImageError as error:
            camera.statistics.rejected(error.cause, str(error))
            self._warn(f"{name}.{error.cause}", f"{camera.statistics.topic}: {error}")
            return
        camera.statistics.accepted(describe_format(message))
        if self._worker.mailbox.put(name, Incoming(message, camera.info, settings)):
            camera.statistics.replaced()

    def _process(self, frames: dict[str, Incoming]) -> None:
        if self._pipeline is not None:
            self._pipeline.process(frames, self._on_failed_frame)

    def _on_failed_frame(self, name: str, incoming: Incoming, error: Exception) -> None:
        sentence = f"a frame could not be processed: {type(error).__name__}: {error}"
        is_full = type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported here
        self._cameras[name].statistics.failed(sentence, "out_of_memory" if is_full else "failed")
        if self._throttle.passes(f"{name}.{type(error).__name__}") is not None:
            trace = "".join(traceback.format_exception(error))
            self.get_logger().error(f"{name}: {sentence}\n{trace}")

    def _on_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        is_unconfigured = self._pipeline is None
        reason = parameters.refusal(self, changes, is_unconfigured=is_unconfigured)
        self._settings = None  # read again once the changes are in place
        return SetParametersResult(successful=reason is None, reason=reason or "")

    def _current_settings(self) -> Settings:
        if self._settings is None:
            self._settings = parameters.read(self)
            self._schedule_keyframes()
        return self._settings

    def _schedule_keyframes(self) -> None:
        """Run the timer that the parameters ask for while images are subscribed to, or none."""
        settings, timer = self._settings, self._keyframe_timer
        is_wanted = bool(self._inputs and settings and settings.keyframe_policy == "timer")
        if timer is not None and not (is_wanted and timer.period_s == settings.keyframe_period_s):
            timer.destroy()
            self._keyframe_timer = timer = None
        if is_wanted and timer is None:
            self._keyframe_timer = KeyframeTimer(
                self,
                tuple(self._cameras),
                settings.keyframe_period_s,
                self._pipeline.perception.request_keyframe,
            )

    def _on_time_jump(self, _: TimeJump) -> None:
        if self._pipeline is not None:
            self._worker.call(self._pipeline.jump_back)

    def _report(self, activity: str = "") -> None:
        """Publish the diagnostics, and say what is wrong where no images come."""
        pipeline = self._pipeline
        idle = "" if self._inputs else "disabled" if self._is_active else "inactive"
        timeout_s = self.get_parameter("image_timeout_s").value
        accounts = {name: camera.statistics for name, camera in self._cameras.items()}
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = diagnostics.all_statuses(
            self.get_fully_qualified_name().strip("/"),
            accounts,
            idle=idle,
            timeout_s=timeout_s,
            max_delay_ms=self.get_parameter(MAX_DELAY).value,
            wanted_period_s=None if pipeline is None else pipeline.wanted_period_s,
            max_age_s=self.get_parameter("keyframe_max_age_s").value,
            problem=self.problem,
            model={} if pipeline is None else pipeline.describe(),
            activity=activity,
        )
        self._diagnostics.publish(message)
        for account in () if idle else accounts.values():
            self._report_silence(account, timeout_s)

    def _report_silence(self, account: CameraStatistics, timeout_s: float) -> None:
        silence_s = account.silence_s()
        if silence_s > timeout_s and self._throttle.passes(f"{account.topic}.silence") is not None:
            publishers = qos.describe_endpoints(self.get_publishers_info_by_topic(account.topic))
            self.get_logger().warning(
                f"No image for {silence_s:.1f} s on {account.topic}; there publish: {publishers}."
            )

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _warn(self, key: str, sentence: str) -> None:
        if (held := self._throttle.passes(key)) is not None:
            self.get_logger().warning(sentence + (f" ({held} more such)" if held else ""))


def _create() -> PerceptionNode:
    node = PerceptionNode()
    if node.get_parameter("autostart").value:
        node.bring_up()
    return node


def main(args: list[str] | None = None) -> int:
    """Run the node until a signal; see `run_node` for the exit status."""
    return run_node(_create, args)


if __name__ == "__main__":
    sys.exit(main())
