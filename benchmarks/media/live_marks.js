/** Reads the marks of benchmarks/media/marked_engine.py and listens for the beginnings of sound. Needs live_probe.js. */

(() => {
  const BARS = 20;
  const wall = (performanceMs) => performance.timeOrigin + performanceMs;
  const bytes = new Uint8Array(1024 * 64);

  /** Luma of some rows of what the video shows, one byte a pixel: a copy of these rows alone, which costs little. */
  async function luma(frame, y, height) {
    const rect = { x: 0, y, width: frame.codedWidth, height };
    await frame.copyTo(bytes, { rect });
    return bytes.subarray(0, frame.codedWidth * height);
  }

  /** {number, onset (ms or null), opening 0..1, avatar, brightness 0..255} of what the video shows; null without marks. */
  async function readMarks(video) {
    const frame = new VideoFrame(video);
    try {
      const size = frame.codedWidth;
      const marks = await luma(frame, 0, size / 16);
      const [number, second] = [0, 1].map((row) => {
        let value = 0;
        const y = Math.round((row * size) / 32 + size / 64);
        for (let bar = 0; bar < BARS; bar++) {
          const x = Math.floor(((bar + 0.5) * size) / BARS);
          value = value * 2 + (marks[y * size + x] > 128 ? 1 : 0);
        }
        return value;
      });
      if (((number ^ (second >> 4)) & 15) !== (second & 15)) return null;
      const middle = await luma(frame, size / 2, 2);
      return {
        number,
        onset: second >> 19 ? (second >> 13) & 63 : null,
        opening: ((second >> 7) & 63) / 63,
        avatar: (second >> 4) & 7,
        brightness: middle.reduce((sum, level) => sum + level, 0) / middle.length,
      };
    } finally {
      frame.close();
    }
  }

  const LISTENER = `
    registerProcessor("onsets", class extends AudioWorkletProcessor {
      last = -1e9; level = 0; blocks = 0; lastMs = 0;
      process([input]) {
        const samples = input[0];
        const now = Date.now();
        if (!samples) return true;
        for (let i = 0; i < samples.length; i++) {
          const loud = Math.abs(samples[i]);
          if (loud > 0.02) this.lastMs = now - ((samples.length - i) * 1000) / sampleRate;
          if (loud <= 0.05) continue;
          const at = currentFrame + i;
          if (loud > 0.1) {
            if (at - this.last > 0.3 * sampleRate)
              this.port.postMessage({ type: "onset", wallMs: now - ((samples.length - i) * 1000) / sampleRate, contextS: at / sampleRate });
            this.last = at;
          } else if (at - this.last <= 0.3 * sampleRate) this.last = at;
          this.level = Math.max(this.level, loud);
        }
        if (++this.blocks % 4 === 0) {
          this.port.postMessage({ type: "level", wallMs: now, level: this.level, lastMs: this.lastMs });
          this.level = 0;
        }
        return true;
      }
    });`;

  /** Onsets and levels (every 11 ms) of a stream, into \`events\`. */
  async function listen(stream, events, levels) {
    const context = new AudioContext({ sampleRate: 48000 });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([LISTENER], { type: "text/javascript" })));
    const node = new AudioWorkletNode(context, "onsets", { channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => {
      if (data.type === "level") return levels.push([data.wallMs, data.level, data.lastMs]);
      const { contextTime, performanceTime } = context.getOutputTimestamp();
      events.push({ wallMs: data.wallMs, heardMs: wall(performanceTime + 1000 * (data.contextS - contextTime)) });
    };
    context.createMediaStreamSource(stream).connect(node).connect(context.destination);
    return context;
  }

  const getUserMedia = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
  if (getUserMedia) {
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await getUserMedia(wanted);
      probe.microphone = stream;
      return stream;
    };
  }

  const fetchBefore = window.fetch.bind(window);
  window.fetch = async (...asked) => {
    const answer = await fetchBefore(...asked);
    if (answer.status === 201 && String(asked[0]?.url ?? asked[0]).endsWith("/api/calls")) probe.call = await answer.clone().json();
    return answer;
  };

  /** Wait for loud sound to come back, then send a control message; resolves to the wall clock at that moment. */
  probe.sendWhenLoud = async (message) => {
    while (!(marks.heardLevels.at(-1)?.[1] > 0.1)) await new Promise((resolve) => setTimeout(resolve, 5));
    return probe.sendNow(message);
  };

  probe.sendNow = (message) => {
    probe.channel.send(JSON.stringify(message));
    return Date.now();
  };

  const marks = { frames: [], heard: [], heardLevels: [], said: [], saidLevels: [], hushed: [], unread: 0 };
  probe.marks = marks;
  const contexts = [];

  /** Begin to note frames, and sounds that come back or (once there is a microphone) go out. */
  probe.startMarks = async () => {
    const video = document.querySelector('[data-testid="avatar-video"]');
    const see = async (now, frame) => {
      const reading = readMarks(video);
      video.requestVideoFrameCallback(see);
      const read = await reading;
      if (read) marks.frames.push({ ...read, shownMs: wall(frame.presentationTime), displayMs: wall(frame.expectedDisplayTime), receivedMs: frame.receiveTime ? wall(frame.receiveTime) : null });
      else marks.unread++;
    };
    video.requestVideoFrameCallback(see);
    video.addEventListener("volumechange", () => video.volume === 0 && marks.hushed.push(Date.now()));
    await probe.listenAnew();
  };

  /**
   * Listen with new contexts. What WebAudio's buffer once held back, because the machine was busy for a moment, it
   * never gives up again: a page that plays the stream itself knows no such delay.
   */
  probe.listenAnew = async () => {
    for (const context of contexts.splice(0)) await context.close();
    const video = document.querySelector('[data-testid="avatar-video"]');
    contexts.push(await listen(new MediaStream(video.srcObject.getAudioTracks()), marks.heard, marks.heardLevels));
    if (probe.microphone) contexts.push(await listen(probe.microphone, marks.said, marks.saidLevels));
  };

  /** Take what was noted since the last time. */
  probe.takeMarks = () => {
    const taken = structuredClone(marks);
    for (const list of [marks.frames, marks.heard, marks.heardLevels, marks.said, marks.saidLevels, marks.hushed]) list.length = 0;
    return taken;
  };
})();
