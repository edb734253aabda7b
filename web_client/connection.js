/** Keeps one call up: places it, notices that it is lost, and comes back to its session. */

import { isHealthy } from "./api.js";
import { Call } from "./call.js";

const PAUSES_S = [0, 1, 2, 4, 8, 15, 30]; // A call that stood is placed again at once.
const SILENT_LIMIT_MS = 2_000; // Sound comes fifty times a second: nothing for so long means that the way is gone.
const STALL_LIMIT_MS = 15_000;
const RESTART_LIMIT_MS = 60_000;

const TITLES = { full: "The server is full", starting: "The server is starting", stopping: "The server is restarting" };

/**
 * States: "connecting" -> "live" -> ("waiting" -> "connecting")* ; "ended" after `hangUp`; "locked" without a token.
 *
 * Events: "state" (detail: `{name, title, words, retryInS}`); "joined" (detail: `{session, avatar}`) when the server has
 * answered; "message" (detail: the server's message); "stream" (detail: MediaStream); "no-avatar" when the server no
 * longer has the avatar that was asked for; "locked" when the server wants a token, or another one.
 */
export class Connection extends EventTarget {
  call = null;
  state = "ended";
  #config;
  #session;
  #isGuest;
  #watch;
  #avatar = null;
  #avatarUntold = false;
  #microphone = null;
  #camera = null;
  #firstCall;
  #attempt = 1;
  #everLive = false;
  #restartUntil = 0;
  #run = 0;
  #countdown;

  /**
   * `config()` resolves with the server's settings; `session` names one to come back to, or, for a guest, the only one
   * that will do; who watches is not heard. `firstCall` is a promise of a call that has been placed already.
   */
  constructor({ config, session = null, isGuest = false, watch = false, avatar = null, firstCall = null }) {
    super();
    this.#config = config;
    this.#session = session;
    this.#isGuest = isGuest;
    this.#watch = watch;
    this.#avatar = avatar;
    this.#firstCall = firstCall;
    addEventListener("online", () => this.state !== "ended" && this.connect());
    addEventListener("offline", () => this.call?.lose("This device has no network."));
    navigator.connection?.addEventListener("change", this.#onNetworkChange);
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
    const asked = { session: this.#session, avatar: this.#avatar, watch: this.#watch, track: this.#microphone };
    const placed = this.#firstCall ?? Call.place({ ...asked, config: this.#config() });
    this.#firstCall = null;
    try {
      const call = await placed;
      if (run !== this.#run) return call.close();
      this.#attach(call, run);
    } catch (error) {
      if (run === this.#run) this.#refused(error);
    }
  }

  /** End the call and stay ended until `connect`. */
  hangUp() {
    this.#run++;
    clearInterval(this.#countdown);
    this.call?.close();
    this.call = null;
    this.#attempt = 1;
    this.#enter("ended");
  }

  /** Send this microphone now and after reconnecting; null for none. */
  async setMicrophone(track) {
    this.#microphone = track;
    await this.call?.setMicrophone(track);
  }

  /** Let this camera's picture drive the avatar, now and after reconnecting; null: the voice does. */
  async setCamera(track) {
    this.#camera = track;
    await this.call?.setCamera(track);
    this.#tellDrive();
  }

  /** Show this avatar, at the latest when the call is live. */
  setAvatar(id) {
    this.#avatar = id;
    this.#avatarUntold = !this.send({ type: "avatar", id });
  }

  /** Send one control message; false when there is no open call. */
  send(message) {
    return this.call?.send(message) ?? false;
  }

  /** Nothing came for `silentMs`, no new picture for `stalledMs`: give the call up when it does not recover. */
  async reportStall({ silentMs, stalledMs }) {
    const call = this.call;
    if (!this.isLive || !call || document.hidden || silentMs < SILENT_LIMIT_MS) {
      if (this.isLive && !document.hidden && stalledMs > STALL_LIMIT_MS) call?.lose("The picture stopped.");
      return;
    }
    const healthy = await isHealthy();
    if (call !== this.call) return;
    call.lose(healthy ? "Nothing came from the server any more." : "The server is gone. It may have been stopped or restarted.");
  }

  #onNetworkChange = (() => {
    let type = navigator.connection?.type;
    return () => {
      // Estimates of speed change all the time; only another kind of network means another way.
      if (navigator.connection.type === type) return;
      type = navigator.connection.type;
      if (this.state !== "ended" && type !== "none") this.connect();
    };
  })();

  #attach(call, run) {
    this.call = call;
    if (!this.#isGuest) this.#session = call.session;
    if (!this.#avatarUntold) this.#avatar = call.avatar;
    this.dispatchEvent(new CustomEvent("joined", { detail: { session: call.session, avatar: this.#avatar } }));
    this.dispatchEvent(new CustomEvent("stream", { detail: call.stream }));
    call.addEventListener("message", (event) => this.dispatchEvent(new CustomEvent("message", { detail: event.detail })));
    if (this.#microphone) call.setMicrophone(this.#microphone); // It may be newer than the offer.
    if (this.#camera) call.setCamera(this.#camera);
    const lost = ({ words, restartInS }) => {
      if (run !== this.#run) return;
      this.call = null;
      if (restartInS !== null) this.#restartUntil = performance.now() + RESTART_LIMIT_MS;
      this.#wait({ words, atLeastS: restartInS ?? 0 });
    };
    // The first call is placed before anybody listens: it may be open already, or lost.
    if (call.loss) return lost(call.loss);
    if (call.isOpen) this.#opened();
    else call.addEventListener("open", () => run === this.#run && this.#opened());
    call.addEventListener("lost", (event) => lost(event.detail));
  }

  #opened() {
    this.#attempt = this.#restartUntil = 0;
    this.#everLive = true;
    this.#enter("live");
    if (this.#avatarUntold) this.setAvatar(this.#avatar);
    if (this.#camera) this.#tellDrive();
  }

  #tellDrive() {
    this.send({ type: "drive", by: this.#camera ? "face" : "voice" });
  }

  /** The server did not answer, or not with a call. */
  #refused(error) {
    if (error.status === 401) {
      this.#enter("locked");
      return this.dispatchEvent(new Event("locked"));
    }
    if (error.status === 404 && this.#session && !this.#isGuest) {
      this.#session = null; // It ended while nobody was there: another one will do.
      return this.connect();
    }
    if (error.status === 404 && !this.#session) {
      this.#avatar = null;
      this.dispatchEvent(new Event("no-avatar"));
    }
    const title = TITLES[error.reason] ?? (error.status === 404 ? "There is no such call" : undefined);
    const words = error.status || navigator.onLine ? error.message : "This device has no network. The call comes back with it.";
    this.#wait({ title, words, atLeastS: error.retryAfterSeconds });
  }

  #wait({ title, words, atLeastS }) {
    let left = Math.max(PAUSES_S[Math.min(this.#attempt++, PAUSES_S.length - 1)], Math.ceil(atLeastS ?? 0));
    if (left === 0) return this.connect();
    if (performance.now() < this.#restartUntil) title = TITLES.stopping;
    title ??= this.#everLive ? "Connection lost" : "Cannot connect";
    const tell = () => this.#enter("waiting", { title, words, retryInS: left });
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
