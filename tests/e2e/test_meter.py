"""The page's own arithmetic, run in the browser on made-up statistics."""

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

SAMPLES = """async () => {
  const { Meter } = await import("/static/meter.js");
  const meter = new Meter();
  const at = (second, frames, audioMs, videoMs) => new Map([
    ["v", { type: "inbound-rtp", kind: "video", timestamp: 1000 * second, framesDecoded: frames, bytesReceived: 100000 * second,
      packetsLost: 1, jitterBufferEmittedCount: frames, jitterBufferDelay: 0.02 * frames, frameWidth: 512, frameHeight: 512,
      codecId: "c", estimatedPlayoutTimestamp: videoMs }],
    ["a", { type: "inbound-rtp", kind: "audio", timestamp: 1000 * second, bytesReceived: 0, packetsLost: 2, estimatedPlayoutTimestamp: audioMs }],
    ["c", { type: "codec", mimeType: "video/H264" }],
    ["p", { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.030 }],
  ]);
  meter.hear({ frame: 100, repeated: 4, latency_ms: 160, ladder: "full", stages: { drive: 1 } });
  meter.sample(at(1, 25, undefined, undefined));
  meter.hear({ frame: 200, repeated: 5, latency_ms: 160, ladder: "full", stages: { drive: 1 } });
  const moving = meter.sample(at(2, 45, 5000, 5040));
  const stalled = [3, 4, 5].map((second) => meter.sample(at(second, 45, 6000, 6040)).stalledMs);
  return { moving, stalled };
}"""


def test_meter_turns_statistics_into_rates_and_offsets(page: Page) -> None:
    result = page.evaluate(SAMPLES)
    moving = result["moving"]
    assert moving["fps"] == pytest.approx(20)
    assert moving["bufferMs"] == pytest.approx(20)
    assert moving["latencyMs"] == pytest.approx(160 + 15 + 20)
    assert moving["repeatedShare"] == pytest.approx(0.01)
    assert moving["avOffsetMs"] == pytest.approx(40)
    assert moving["kilobitsPerSecond"] == pytest.approx(800)
    assert moving["packetsLost"] == 3
    assert moving["codec"] == "H264"
    assert result["stalled"] == [1000, 2000, 3000]
