/** Reads the marks of benchmarks/media/marked_engine.py and listens for the beginnings of sound. Needs live_probe.js. */

(() => {
  const BARS = 20;
  const wall = (performanceMs) => performance.timeOrigin + performanceMs;
  const canvas = document.createElement("canvas");
  const pixels = canvas.getContext("2d", { willReadFrequently: true });
  const small = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });

  /** {number, onset (ms or null), opening 0..1, avatar} of what the video shows; null without marks. */
  function readMarks(video) {
    const size = video.videoWidth;
    const height = size / 16;
    canvas.width = size;
    canvas.height = height;
    pixels.drawImage(video, 0, 0, size, height, 0, 0, size, height);
    const { data } = pixels.getImageData(0, 0, size, height);
    const [number, second] = [0, 1].map((row) => {
      let value = 0;
      const y = Math.round((row * size) / 32 + size / 64);
      for (let bar = 0; bar < BARS; bar++) {
        const x = Math.floor(((bar + 0.5) * size) / BARS);
        value = value * 2 + (data[4 * (y * size + x) + 1] > 128 ? 1 : 0);
      }
      return value;
    });
    if (((number ^ (second >> 4)) & 15) !== (second & 15)) return null;
    return {
      number,
      onset: second >> 19 ? (second >> 13) & 63 : null,
      opening: ((second >> 7) & 63) / 63,
      avatar: (second >> 4) & 7,
    };
  }

  /** Mean green of the whole picture, 0 to 255. */
  function brightness(video) {
    small.drawImage(video, 0, 0, 8, 8);
    const { data } = small.getImageData(0, 0, 8, 8);
    let sum = 0;
    for (let i = 1; i < data.length; i += 4) sum += data[i];
    return sum / 64;
  }

  const LISTENER = `
    registerProcessor("onsets", class extends AudioWorkletProcessor {
      last = -1e9; level = 0; blocks = 0; zeros = 0;
      process([input]) {
        const samples = input[0];
        const now = Date.now();
        if (!samples) return true;
        for (let i = 0; i < samples.length; i++) {
          const loud = Math.abs(samples[i]);
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
          this.port.postMessage({ type: "level", wallMs: now, level: this.level });
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
      if (data.type === "level") return levels.push([data.wallMs, data.level]);
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

  const marks = { frames: [], heard: [], heardLevels: [], said: [], saidLevels: [], unread: 0 };
  probe.marks = marks;
  let contexts = [];

  /** Begin to note frames, and sounds that come back or (once there is a microphone) go out. */
  probe.startMarks = async () => {
    const video = document.querySelector('[data-testid="avatar-video"]');
    const see = (now, frame) => {
      const read = readMarks(video);
      if (read) marks.frames.push({ ...read, brightness: brightness(video), shownMs: wall(frame.presentationTime), displayMs: wall(frame.expectedDisplayTime), receivedMs: frame.receiveTime ? wall(frame.receiveTime) : null });
      else marks.unread++;
      video.requestVideoFrameCallback(see);
    };
    video.requestVideoFrameCallback(see);
    contexts.push(await listen(new MediaStream(video.srcObject.getAudioTracks()), marks.heard, marks.heardLevels));
    if (probe.microphone) contexts.push(await listen(probe.microphone, marks.said, marks.saidLevels));
  };

  /** Take what was noted since the last time. */
  probe.takeMarks = () => {
    const taken = structuredClone(marks);
    for (const list of [marks.frames, marks.heard, marks.heardLevels, marks.said, marks.saidLevels]) list.length = 0;
    return taken;
  };
})();
