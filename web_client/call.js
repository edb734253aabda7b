/** One WebRTC call: audio both ways (the microphone may come later), video to here, and the data channel `control`. */

import { clearCall, closeCall, openCall } from "./api.js";

const GATHERING_LIMIT_MS = 2_000;
const CONNECT_LIMIT_MS = 15_000;
const DISCONNECTED_LIMIT_MS = 4_000;
const GOODBYE_LIMIT_MS = 1_000;

const NO_PATH =
  "The server answered, but no way for sound and picture was found. A firewall may block UDP between here and the server.";

/**
 * Events: "open" when picture and control flow; "message" (detail: the server's message); "lost" (detail: why, in
 * words), once, when the call ended without `close`.
 */
export class Call extends EventTarget {
  /** Offer a call for this avatar; resolves when the server has answered. Rejects with an ApiError. */
  static async place({ avatar, iceServers, track }) {
    const call = new Call(iceServers, track);
    try {
      await call.#negotiate(avatar, iceServers.length > 0);
    } catch (error) {
      call.close();
      throw error;
    }
    return call;
  }

  id = "";
  stream = new MediaStream();
  #peer;
  #audio;
  #control;
  #over = false;
  #timers = new Set();

  constructor(iceServers, track) {
    super();
    this.#peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#audio = this.#peer.addTransceiver(track ?? "audio", { direction: "sendrecv" });
    const video = this.#peer.addTransceiver("video", { direction: "recvonly" });
    preferH264(video);
    for (const { receiver } of [this.#audio, video]) {
      playAsSoonAsPossible(receiver);
      this.stream.addTrack(receiver.track);
    }
    this.#control = this.#peer.createDataChannel("control");
    this.#watch();
  }

  /** The peer connection's statistics now. */
  getStats() {
    return this.#peer.getStats();
  }

  /** Send the microphone, or nothing (null). */
  setMicrophone(track) {
    return this.#audio.sender.replaceTrack(track);
  }

  /** Send one control message; false when the channel is not open. */
  send(message) {
    if (this.#control.readyState !== "open") return false;
    this.#control.send(JSON.stringify(message));
    return true;
  }

  /** Nothing queued is heard any more. */
  async clear() {
    if (!this.send({ type: "clear" })) await clearCall(this.id);
  }

  /** End the call here and at the server. */
  close() {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    // The server hears of it before the peer goes; one that is gone has ended the call already.
    const told = this.id ? closeCall(this.id).catch(() => {}) : Promise.resolve();
    const enough = new Promise((resolve) => setTimeout(resolve, GOODBYE_LIMIT_MS));
    Promise.race([told, enough]).then(() => this.#peer.close());
  }

  async #negotiate(avatar, waitForCandidates) {
    const peer = this.#peer;
    await peer.setLocalDescription();
    // Without relay servers the answer's candidates are enough: our own are learnt from our first packet.
    if (waitForCandidates) await gathered(peer);
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
    const { call, sdp } = await openCall({ sdp: peer.localDescription.sdp, avatar, seed });
    this.id = call;
    await peer.setRemoteDescription({ type: "answer", sdp });
  }

  #watch() {
    const peer = this.#peer;
    this.#after(CONNECT_LIMIT_MS, () => this.#control.readyState !== "open" && this.lose(NO_PATH));
    let disconnectedTimer;
    peer.addEventListener("connectionstatechange", () => {
      clearTimeout(disconnectedTimer);
      if (peer.connectionState === "failed") this.lose(this.#control.readyState === "connecting" ? NO_PATH : "The connection broke.");
      if (peer.connectionState === "disconnected") {
        disconnectedTimer = this.#after(DISCONNECTED_LIMIT_MS, () => this.lose("Nothing came from the server for some seconds."));
      }
    });
    this.#control.addEventListener("open", () => this.dispatchEvent(new Event("open")));
    this.#control.addEventListener("close", () => this.lose("The server ended the call."));
    this.#control.addEventListener("message", (event) => {
      const message = parsed(event.data);
      if (message) this.dispatchEvent(new CustomEvent("message", { detail: message }));
    });
  }

  /** Give the call up: it ended without our doing, for this reason. */
  lose(words) {
    if (this.#over) return;
    this.close();
    this.dispatchEvent(new CustomEvent("lost", { detail: words }));
  }

  #after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    this.#timers.add(timer);
    return timer;
  }
}

/** H.264 first: the server encodes it once for all viewers. The others stay as a fallback. */
function preferH264(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const isH264 = (codec) => codec.mimeType.toLowerCase() === "video/h264";
  if (codecs.some(isH264)) {
    transceiver.setCodecPreferences?.([...codecs.filter(isH264), ...codecs.filter((codec) => !isH264(codec))]);
  }
}

function playAsSoonAsPossible(receiver) {
  if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
  else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
}

function gathered(peer) {
  return new Promise((resolve) => {
    const finish = () => peer.iceGatheringState === "complete" && resolve();
    peer.addEventListener("icegatheringstatechange", finish);
    setTimeout(resolve, GATHERING_LIMIT_MS);
    finish();
  });
}

function parsed(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === "string" ? message : null;
  } catch {
    return null;
  }
}
