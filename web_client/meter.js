/** Measures a running call: what the server says of itself, and what this browser's own statistics say. */

const WINDOW_S = 60;
const OFFSETS_KEPT = 5;

export class Meter {
  #before = null;
  #server = null;
  #counts = []; // [frame, repeated] once a second, for the last minute
  #offsets = [];
  #fpsTrace = [];
  #stalledSince = null;
  #silentSince = null;

  /** The server's `stats` message. */
  hear(stats) {
    this.#server = stats;
    this.#counts.push([stats.frame, stats.repeated]);
    if (this.#counts.length > WINDOW_S + 1) this.#counts.shift();
  }

  /**
   * Take one sample of `RTCPeerConnection.getStats()`, about once a second. Values that are not known yet are null.
   *
   * Times are milliseconds. `avOffsetMs` is how much later the sound of a moment is played than its picture;
   * `stalledMs` is how long no picture came, `silentMs` how long nothing at all came;
   * `playout` holds the two estimated playout times for the server, or null.
   */
  sample(report) {
    const now = gather(report);
    const before = this.#before ?? now;
    this.#before = now;
    const seconds = (now.timestamp - before.timestamp) / 1000;
    const frames = now.framesDecoded - before.framesDecoded;
    const fps = seconds > 0 ? frames / seconds : null;
    if (fps !== null) {
      this.#fpsTrace.push(fps);
      if (this.#fpsTrace.length > WINDOW_S) this.#fpsTrace.shift();
    }
    const emitted = now.emitted - before.emitted;
    const bufferMs = emitted > 0 ? (1000 * (now.bufferDelay - before.bufferDelay)) / emitted : null;
    return {
      fps,
      fpsTrace: this.#fpsTrace,
      bufferMs,
      latencyMs: this.#latency(now.roundTripMs, bufferMs),
      serverMs: this.#server?.latency_ms ?? null,
      repeatedShare: this.#repeatedShare(),
      avOffsetMs: this.#offset(now.playout),
      playout: now.playout,
      roundTripMs: now.roundTripMs,
      kilobitsPerSecond: seconds > 0 ? (8 * (now.bytes - before.bytes)) / seconds / 1000 : null,
      packetsLost: now.packetsLost,
      codec: now.codec,
      width: now.width,
      height: now.height,
      ladder: this.#server?.ladder ?? null,
      stages: this.#server?.stages ?? {},
      stalledMs: this.#stalled(frames, now.timestamp),
      silentMs: this.#silent(now.bytes - before.bytes),
    };
  }

  #latency(roundTripMs, bufferMs) {
    if (typeof this.#server?.latency_ms !== "number") return null;
    return this.#server.latency_ms + (roundTripMs ?? 0) / 2 + (bufferMs ?? 0);
  }

  #repeatedShare() {
    if (this.#counts.length < 2) return null;
    const [[firstFrame, firstRepeated], [frame, repeated]] = [this.#counts[0], this.#counts.at(-1)];
    return frame > firstFrame ? Math.max(0, repeated - firstRepeated) / (frame - firstFrame) : null;
  }

  #offset(playout) {
    if (!playout) return null;
    this.#offsets.push(playout.videoMs - playout.audioMs);
    if (this.#offsets.length > OFFSETS_KEPT) this.#offsets.shift();
    return this.#offsets.toSorted((a, b) => a - b)[Math.floor(this.#offsets.length / 2)];
  }

  /** The statistics' own time stands still with the stream: this is the page's. */
  #silent(bytes) {
    const now = performance.now();
    if (bytes > 0 || this.#silentSince === null) this.#silentSince = now;
    return now - this.#silentSince;
  }

  #stalled(frames, timestamp) {
    if (frames > 0 || this.#stalledSince === null) this.#stalledSince = timestamp;
    return timestamp - this.#stalledSince;
  }
}

/** The counters that matter out of an RTCStatsReport. */
function gather(report) {
  const found = { framesDecoded: 0, emitted: 0, bufferDelay: 0, bytes: 0, packetsLost: 0, roundTripMs: null, playout: null };
  found.timestamp = 0;
  let audioMs, videoMs;
  for (const stats of report.values()) {
    if (stats.type === "inbound-rtp") {
      found.timestamp = Math.max(found.timestamp, stats.timestamp);
      found.bytes += stats.bytesReceived ?? 0;
      found.packetsLost += stats.packetsLost ?? 0;
    }
    if (stats.type === "inbound-rtp" && stats.kind === "audio") audioMs = stats.estimatedPlayoutTimestamp;
    if (stats.type === "inbound-rtp" && stats.kind === "video") {
      videoMs = stats.estimatedPlayoutTimestamp;
      found.framesDecoded = stats.framesDecoded ?? 0;
      found.emitted = stats.jitterBufferEmittedCount ?? 0;
      found.bufferDelay = stats.jitterBufferDelay ?? 0;
      found.width = stats.frameWidth;
      found.height = stats.frameHeight;
      found.codec = report.get(stats.codecId)?.mimeType.replace("video/", "") ?? null;
    }
    if (stats.type === "candidate-pair" && stats.nominated && stats.currentRoundTripTime !== undefined) {
      found.roundTripMs = 1000 * stats.currentRoundTripTime;
    }
  }
  if (audioMs && videoMs) found.playout = { audioMs, videoMs };
  return found;
}
