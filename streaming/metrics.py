"""What Prometheus can read from ``/metrics``."""

from contextlib import suppress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from streaming.ladder import Level
from streaming.pacer import PacerCounts


class Metrics:
    """All metrics of one server, in their own registry."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        milliseconds = (1, 2, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80, 120, 160, 200, 300, 500)
        self.sessions = Gauge("vividlive_sessions", "Avatars that live", registry=registry)
        self.calls = Gauge("vividlive_calls", "WebRTC calls that are open", registry=registry)
        self.workers_up = Gauge("vividlive_workers_up", "Engine workers that draw", registry=registry)
        self.worker_restarts = Counter(
            "vividlive_worker_restarts", "Times that an engine worker was started again", registry=registry
        )
        self.sent = Counter("vividlive_frames_sent", "Frames sent, repeated ones included", registry=registry)
        self.repeated = Counter(
            "vividlive_frames_repeated",
            "Deadline misses: frames sent again because the due one was missing",
            registry=registry,
        )
        self.late = Counter(
            "vividlive_frames_late",
            "Of the repeated: filled with a newer picture that had come too late for its own time",
            registry=registry,
        )
        self.dropped = Counter("vividlive_frames_dropped", "Frames drawn in vain", registry=registry)
        self.passed = Counter(
            "vividlive_frames_passed", "Frame numbers passed over after a stall", registry=registry
        )
        self.gap_samples = Counter(
            "vividlive_microphone_gap_samples",
            "Samples at 16 kHz that were made up in place of sound that was lost or came too late",
            registry=registry,
        )
        self.recovered_samples = Counter(
            "vividlive_microphone_recovered_samples",
            "Samples at 16 kHz of lost packets, from the copies that the next ones carried",
            registry=registry,
        )
        self.latency = Histogram(
            "vividlive_frame_latency_ms",
            "From the arrival of the first sample that a frame shows to the frame leaving",
            buckets=milliseconds,
            registry=registry,
        )
        self.slack = Histogram(
            "vividlive_frame_slack_ms",
            "How long before its deadline a frame was ready",
            buckets=(0, *milliseconds[:12]),
            registry=registry,
        )
        self.stage = Histogram(
            "vividlive_stage_ms",
            "Time of one stage for one frame",
            ["stage"],
            buckets=milliseconds,
            registry=registry,
        )
        self.encode = Histogram(
            "vividlive_encode_ms", "Time to encode one frame", buckets=milliseconds, registry=registry
        )
        self.keyframes = Counter("vividlive_keyframes", "Keyframes sent", registry=registry)
        self._of_sessions: list[Gauge] = []

        def of_session(name: str, meaning: str) -> Gauge:
            gauge = Gauge(f"vividlive_{name}", meaning, ["session"], registry=registry)
            self._of_sessions.append(gauge)
            return gauge

        self.ladder = of_session("ladder_level", ", ".join(f"{level:d} {level.label}" for level in Level))
        self.bitrate = of_session("video_bitrate", "Encoder target, bits a second")
        self.viewers = of_session("viewers", "Who sees and hears the session, WebSockets included")
        self.frames_waiting = of_session("frames_waiting", "Frames that are ready before they are due")
        self.packets_waiting = of_session(
            "packets_waiting", "Packets that the slowest viewer has yet to send, sound and picture together"
        )
        self.sound_queued = of_session("sound_queued_s", "Seconds of sound that are still to be spoken")
        self.av_lead = of_session("av_offset_ms", "How much sooner sound leaves than its picture")
        self.av_error = of_session(
            "av_error_ms", "How much later a page plays sound than its picture, as it says itself"
        )
        self.microphone_lead = of_session(
            "microphone_lead_ms", "How far microphone packets come ahead of the clock; negative when late"
        )
        self.tasks = Gauge("vividlive_tasks", "Tasks on the event loop", registry=registry)
        self.stalls = Counter(
            "vividlive_loop_stalls", "Times that the event loop stood still for over 20 ms", registry=registry
        )
        self.stall_ms = Histogram(
            "vividlive_loop_stall_ms", "Length of these stalls", buckets=milliseconds[7:], registry=registry
        )

    def count_frames(self, before: PacerCounts, after: PacerCounts) -> None:
        """Add what a session's pacer counted since ``before``."""
        for name in ("sent", "repeated", "late", "dropped", "passed"):
            getattr(self, name).inc(getattr(after, name) - getattr(before, name))

    def forget_session(self, session: str) -> None:
        """Drop the series of a session that has ended."""
        for gauge in self._of_sessions:
            with suppress(KeyError):
                gauge.remove(session)

    def text(self) -> bytes:
        """The page in Prometheus's text format."""
        return generate_latest(self.registry)
