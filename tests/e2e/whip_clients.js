/** Players and broadcasters that speak WHEP and WHIP, as their npm packages have them, behind one interface. */

import { WebRTCPlayer } from "@eyevinn/webrtc-player";
import { WHIPClient as EyevinnPublisher } from "@eyevinn/whip-web-client";
import { WHEPClient } from "whip-whep/whep.js";
import { WHIPClient } from "whip-whep/whip.js";

/** Each shows what it gets in `video` and returns how to stop. */
const viewers = {
  "whip-whep": async (url, video) => {
    const peer = new RTCPeerConnection();
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.addTransceiver("audio", { direction: "recvonly" });
    peer.ontrack = ({ streams }) => (video.srcObject = streams[0]);
    const client = new WHEPClient();
    await client.view(peer, url);
    return () => client.stop();
  },
  "@eyevinn/webrtc-player": async (url, video) => {
    const player = new WebRTCPlayer({ video, type: "whep", iceServers: [] });
    await player.load(new URL(url));
    return () => player.unload();
  },
};

/** Each publishes a stream and returns how to stop. */
const publishers = {
  "whip-whep": async (url, stream) => {
    const peer = new RTCPeerConnection();
    for (const track of stream.getTracks()) peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    const client = new WHIPClient();
    await client.publish(peer, url);
    return () => client.stop();
  },
  "@eyevinn/whip-web-client": async (url, stream) => {
    const client = new EyevinnPublisher({ endpoint: url, opts: { iceServers: [] } });
    await client.ingest(stream);
    return () => client.destroy();
  },
};

const faults = [];
window.addEventListener("unhandledrejection", ({ reason }) => faults.push(String(reason)));

const patches = [];
const fetchAsBefore = window.fetch;
window.fetch = async (url, options) => {
  const answer = await fetchAsBefore(url, options);
  if (options?.method === "PATCH") patches.push(answer.status);
  return answer;
};

const running = {};
const video = document.body.appendChild(document.createElement("video"));
video.autoplay = true;

window.clients = {
  faults,
  patches,

  view: async (name, url) => (running.viewer = await viewers[name](url, video)),

  publish: async (name, url) => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    running.publisher = await publishers[name](url, stream);
  },

  stop: async (which) => running[which](),

  frames: () => video.getVideoPlaybackQuality().totalVideoFrames,

  /** Sum of the absolute differences of two pictures `ms` apart, as a mean over the pixels, in levels. */
  movement: async (ms) => {
    const take = () => {
      const canvas = new OffscreenCanvas(128, 128).getContext("2d");
      canvas.drawImage(video, 0, 0, 128, 128);
      return canvas.getImageData(0, 0, 128, 128).data;
    };
    const before = take();
    await new Promise((resolve) => setTimeout(resolve, ms));
    return take().reduce((sum, level, at) => sum + Math.abs(level - before[at]), 0) / before.length;
  },

  /** Loudest root mean square (full scale 1) of what is heard within `seconds`. */
  loudness: async (seconds) => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    const samples = new Float32Array(analyser.fftSize);
    context.createMediaStreamSource(video.srcObject).connect(analyser);
    let loudest = 0;
    for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) {
      analyser.getFloatTimeDomainData(samples);
      loudest = Math.max(loudest, Math.hypot(...samples) / Math.sqrt(samples.length));
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    await context.close();
    return loudest;
  },
};
