/** Keeps one call up: places it, notices that it is lost, and tries again after growing pauses. */

import { isHealthy } from "./api.js";
import { Call } from "./call.js";

const PAUSES_S = [1, 2, 4, 8, 15, 30];
const STALL_ASK_MS = 5_000;
const STALL_LIMIT_MS = 15_000;

/**
 * States: "connecting" -> "live" -> ("waiting" -> "connecting")* ; "ended" after `hangUp`.
 *
 * Events: "state" (detail: `{name, words, retryInS, first}`); "message" (detail: the server's message);
 * "stream" (detail: MediaStream); "no-avatar" when the server no longer has the avatar that was asked for.
 */
export class Connection extends EventTarget {
  call = null;
  state = "ended";
  avatar = "";
  #iceServers;
  #microphone = null;
  #attempt = 0;
  #everLive = false;
  #run = 0;
  #countdown;

  constructor(iceServers) {
    super();
    this.#iceServers = iceServers;
    addEventListener("online", () => this.state === "waiting" && this.connect());
    addEventListener("pagehide", () => this.call?.close());
    addEventListener("pageshow", (event) => event.persisted && this.state !== "ended" && this.connect());
  }

  get isLive() {
    return this.state === "live";
  }

  /** Place the call now, whatever came before. */
  async connect() {
    clearInterval(this.#countdown);
    this.call?.close();
    this.call = null;
    const run = ++this.#run; // A later connect or hangUp makes this one void.
    this.#enter("connecting");
    try {
      const call = await Call.place({ avatar: this.avatar, iceServers: this.#iceServers, track: this.#microphone });
      if (run !== this.#run) return call.close();
      this.#attach(call, run);
    } catch (error) {
      if (run !== this.#run) return;
      if (error.status === 404) this.dispatchEvent(new Event("no-avatar"));
      this.#wait(error.message, error.retryAfterSeconds);
    }
  }

  /** End the call and stay ended until `connect`. */
  hangUp() {
    this.#run++;
    clearInterval(this.#countdown);
    this.call?.close();
    this.call = null;
    this.#attempt = 0;
    this.#enter("ended");
  }

  /** Send this microphone now and after reconnecting; null for none. */
  async setMicrophone(track) {
    this.#microphone = track;
    await this.call?.setMicrophone(track);
  }

  /** Show this avatar now and after reconnecting. */
  setAvatar(id) {
    this.avatar = id;
    this.send({ type: "avatar", id });
  }

  /** Send one control message; false when there is no open call. */
  send(message) {
    return this.call?.send(message) ?? false;
  }

  /** The picture stood still for so long: give the call up when the server is gone, or does not recover. */
  async reportStall(stalledMs) {
    const call = this.call;
    if (!this.isLive || !call || stalledMs < STALL_ASK_MS || document.hidden) return;
    const healthy = await isHealthy();
    if (call !== this.call) return;
    if (!healthy) call.lose("The server is gone. It may have been stopped or restarted.");
    else if (stalledMs > STALL_LIMIT_MS) call.lose("The picture stopped.");
  }

  #attach(call, run) {
    this.call = call;
    this.dispatchEvent(new CustomEvent("stream", { detail: call.stream }));
    call.addEventListener("message", (event) => this.dispatchEvent(new CustomEvent("message", { detail: event.detail })));
    call.addEventListener("open", () => {
      this.#attempt = 0;
      this.#everLive = true;
      this.#enter("live");
    });
    call.addEventListener("lost", (event) => {
      if (run !== this.#run) return;
      this.call = null;
      this.#wait(event.detail, 0);
    });
  }

  #wait(words, atLeastS) {
    let left = Math.max(PAUSES_S[Math.min(this.#attempt++, PAUSES_S.length - 1)], Math.ceil(atLeastS));
    const tell = () => this.#enter("waiting", { words, retryInS: left, first: !this.#everLive });
    tell();
    clearInterval(this.#countdown);
    this.#countdown = setInterval(() => {
      left -= 1;
      if (left > 0) tell();
      else this.connect();
    }, 1_000);
  }

  #enter(name, detail = {}) {
    this.state = name;
    this.dispatchEvent(new CustomEvent("state", { detail: { name, ...detail } }));
  }
}
