/** Looks at the page from outside its own code: peer connection, control messages, picture, sound. Tests and reports only. */

(() => {
  const probe = { peer: null, channel: null, sent: [], received: [] };
  window.probe = probe;

  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) {
      super(...options);
      probe.peer = this;
    }

    createDataChannel(...options) {
      const channel = super.createDataChannel(...options);
      probe.channel = channel;
      const send = channel.send.bind(channel);
      channel.send = (text) => {
        probe.sent.push(JSON.parse(text));
        send(text);
      };
      channel.addEventListener("message", (event) => probe.received.push(JSON.parse(event.data)));
      return channel;
    }
  };

  const video = () => document.querySelector('[data-testid="avatar-video"]');

  /** What arrives now: the inbound statistics of each kind, the codec of the video among them. */
  probe.inbound = async () => {
    const report = await probe.peer.getStats();
    const found = {};
    for (const stats of report.values()) {
      if (stats.type === "inbound-rtp") found[stats.kind] = { ...stats, codec: report.get(stats.codecId) };
    }
    return found;
  };

  const canvas = document.createElement("canvas");
  const pixels = canvas.getContext("2d", { willReadFrequently: true });

  function draw(side) {
    canvas.width = canvas.height = side;
    pixels.drawImage(video(), 0, 0, side, side);
  }

  /** `count` pictures as JPEG data addresses, at least `intervalMs` apart. */
  probe.pictures = async (count, intervalMs) => {
    const taken = [];
    for (let number = 0; number < count; number++) {
      draw(video().videoWidth);
      taken.push(canvas.toDataURL("image/jpeg", 0.92));
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
    return taken;
  };

  /** Loudest root mean square (full scale 1) of the sound that comes back, in windows of 43 ms, within `seconds`. */
  probe.loudness = async (seconds) => {
    const context = new AudioContext({ sampleRate: 48000 });
    const analyser = context.createAnalyser();
    analyser.fftSize = 2048;
    context.createMediaStreamSource(video().srcObject).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let loudest = 0;
    const end = performance.now() + 1000 * seconds;
    while (performance.now() < end) {
      analyser.getFloatTimeDomainData(samples);
      loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    await context.close();
    return loudest;
  };

  /**
   * Watch for `seconds`. Returns `frames`: [rtpTimestamp, presentedFrames] of every frame that was presented while the
   * page looked; and `samples`, one each second: {atMs, decoded, freezes, audioMs, videoMs}, the estimated playout times.
   */
  probe.watch = async (seconds) => {
    const frames = [];
    const samples = [];
    let running = true;
    const see = (_now, frame) => {
      frames.push([frame.rtpTimestamp, frame.presentedFrames]);
      if (running) video().requestVideoFrameCallback(see);
    };
    video().requestVideoFrameCallback(see);
    const end = performance.now() + 1000 * seconds;
    while (performance.now() < end) {
      const { audio, video } = await probe.inbound();
      samples.push({
        atMs: video.timestamp,
        decoded: video.framesDecoded,
        freezes: video.freezeCount,
        audioMs: audio?.estimatedPlayoutTimestamp ?? null,
        videoMs: video.estimatedPlayoutTimestamp ?? null,
      });
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    running = false;
    return { frames, samples };
  };
})();
