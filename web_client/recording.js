/** Recording the call: what the avatar says, from the press of a button to a saved file. */

import { fetchRecording, startRecording, stopRecording } from "./api.js";
import { element, part, setBusy } from "./dom.js";
import { clock } from "./speech.js";
import { keep, kept } from "./visit.js";

const TICK_MS = 500;
const KEPT = "recording";

/** A page that is loaded again goes on with what it was recording: the server did, too. */
export class Recording {
  #running = kept(KEPT); // {name, startedMs: of the clock on the wall}
  #timer;

  constructor() {
    if (this.isOn) this.#tick();
  }

  get isOn() {
    return this.#running !== null;
  }

  /** Begin. Rejects with an ApiError. */
  async start(call) {
    setBusy(part("record"), true);
    try {
      const { recording } = await startRecording(call);
      this.#set({ name: recording, startedMs: Date.now() });
      this.#tick();
    } finally {
      setBusy(part("record"), false);
    }
  }

  /** End it, so that its file is complete; `call` is the one that stands now, if any. Rejects with an ApiError. */
  async end(call) {
    // Another call may have come in its place, whose session was never recorded: the file is there all the same.
    if (call) await stopRecording(call).catch((error) => error.status !== 404 && Promise.reject(error));
  }

  /** Save the file of the one that has ended. Rejects with an ApiError; while the server has the file, it can be tried again. */
  async save() {
    const { name } = this.#running;
    setBusy(part("record"), true);
    try {
      save(await fetchRecording(name), `vividlive-${name.slice(0, 6)}.mp4`);
      this.#set(null);
    } catch (error) {
      if (error.status === 404) this.#set(null); // Deleted elsewhere.
      throw error;
    } finally {
      setBusy(part("record"), false);
    }
  }

  #set(running) {
    this.#running = running;
    keep(KEPT, running);
    if (!running) clearInterval(this.#timer);
    this.#show();
  }

  #tick() {
    this.#timer = setInterval(() => this.#show(), TICK_MS);
    this.#show();
  }

  #show() {
    const seconds = Math.floor((Date.now() - (this.#running?.startedMs ?? 0)) / 1000);
    part("record").classList.toggle("recording", this.isOn);
    part("record-words").textContent = this.isOn ? `Stop ${clock(seconds)}` : "Record";
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
