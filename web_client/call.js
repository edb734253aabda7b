/**
 * One WebRTC call: audio both ways (the microphone may come later), video to here (the user's camera may go the other
 * way), and the data channel `control`.
 */

import { clearCall, closeCall, openCall } from "./api.js";

const GATHERING_LIMIT_MS = 2_000;
const CONNECT_LIMIT_MS = 15_000;
const DISCONNECTED_LIMIT_MS = 500;
const GOODBYE_LIMIT_MS = 1_000;
const CAMERA_BITRATE = 600_000;

const PEER = { bundlePolicy: "max-bundle" };

const NO_PATH =
  "The server answered, but no way for sound and picture was found. A firewall may block UDP between here and the server.";

/** What the server can send as a picture. */
const CODECS = ["video/h264", "video/vp8"];

/** Why this browser can take no call, in words; null when it can. */
export function whyUnsupported() {
  if (!globalThis.RTCPeerConnection) {
    return "Vividlive needs WebRTC. Open the page in a current Chrome, Edge, Firefox or Safari.";
  }
  const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs;
  if (codecs && !codecs.some(({ mimeType }) => CODECS.includes(mimeType.toLowerCase()))) {
    return "This browser can decode neither H.264 nor VP8 video in calls. Open the page in another one.";
  }
  return null;
}

/**
 * Events: "open" when picture and control flow; "message" (detail: the server's message); "lost" (detail: `{words,
 * restartInS}`), once, when the call ended without `close`.
 */
export class Call extends EventTarget {
  /**
   * Offer a call; resolves when the server has answered. Rejects with an ApiError.
   *
   * `session` names one to join or to come back to, else `avatar` gets a new one (null: the server's default).
   * `config` is a promise of the server's settings: the offer is made while they are on their way.
   */
  static async place({ session, avatar, watch, track, config }) {
    const call = new Call(track, watch);
    try {
      await call.#negotiate({ session, avatar, watch, config });
    } catch (error) {
      call.close();
      throw error;
    }
    return call;
  }

  id = "";
  session = "";
  avatar = "";
  loss = null; // What the "lost" event said
  stream = new MediaStream();
  #peer;
  #audio;
  #video;
  #control;
  #over = false;
  #timers = new Set();

  constructor(track, watch) {
    super();
    this.#peer = new RTCPeerConnection(PEER);
    this.#audio = this.#peer.addTransceiver(track ?? "audio", { direction: watch ? "recvonly" : "sendrecv" });
    this.#video = this.#peer.addTransceiver("video", { direction: watch ? "recvonly" : "sendrecv" });
    preferH264(this.#video);
    for (const { receiver } of [this.#audio, this.#video]) {
      playAsSoonAsPossible(receiver);
      this.stream.addTrack(receiver.track);
    }
    this.#control = this.#peer.createDataChannel("control");
    this.#watch();
  }

  get isOpen() {
    return this.#control.readyState === "open";
  }

  /** The peer connection's statistics now. */
  getStats() {
    return this.#peer.getStats();
  }

  /** Send the microphone, or nothing (null). */
  setMicrophone(track) {
    return this.#audio.sender.replaceTrack(track);
  }

  /** Send the user's camera, or nothing (null). The server looks at it only after a `drive` message. */
  async setCamera(track) {
    const { sender } = this.#video;
    await sender.replaceTrack(track);
    if (track) await slow(sender);
  }

  /** Send one control message; false when the channel is not open. */
  send(message) {
    if (!this.isOpen) return false;
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

  async #negotiate({ session, avatar, watch, config }) {
    const peer = this.#peer;
    const [offer, { ice_servers: iceServers, scopes }] = await Promise.all([peer.createOffer(), config]);
    if (iceServers.length) peer.setConfiguration({ ...PEER, iceServers });
    const described = peer.setLocalDescription(offer);
    // Without relay servers the answer's candidates are enough: our own are learnt from our first packet.
    if (iceServers.length) await described.then(() => gathered(peer));
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
    const viewOnly = watch || !scopes.includes("publish");
    const asked = session ? { session } : { ...(avatar && { avatar }), seed };
    const { sdp } = iceServers.length ? peer.localDescription : offer;
    const [answer] = await Promise.all([openCall({ sdp, ...asked, view_only: viewOnly }), described]);
    this.id = answer.call;
    this.session = answer.session;
    this.avatar = answer.avatar;
    if (this.#over) return void closeCall(this.id).catch(() => {});
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  }

  #watch() {
    const peer = this.#peer;
    this.#after(CONNECT_LIMIT_MS, () => !this.isOpen && this.lose(NO_PATH));
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
      if (message?.type === "bye") this.lose("It will be back in a moment, and so will the call.", message.retry_s);
      else if (message) this.dispatchEvent(new CustomEvent("message", { detail: message }));
    });
  }

  /** Give the call up: it ended without our doing, for this reason; `restartInS` when the server said goodbye. */
  lose(words, restartInS = null) {
    if (this.#over) return;
    this.close();
    this.loss = { words, restartInS };
    this.dispatchEvent(new CustomEvent("lost", { detail: this.loss }));
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

/** Keep what a camera may take of the network small: it is measured, not looked at. */
async function slow(sender) {
  const parameters = sender.getParameters();
  if (!parameters.encodings?.length) return; // Nothing is negotiated yet: it is set with the next track.
  parameters.encodings[0].maxBitrate = CAMERA_BITRATE;
  await sender.setParameters(parameters).catch(() => {});
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
