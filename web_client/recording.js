/** Recording the call: what the avatar says, from the press of a button to a saved file. */

import { fetchRecording, startRecording, stopRecording } from "./api.js";
import { element, part } from "./dom.js";
import { clock } from "./speech.js";

const TICK_MS = 500;

export class Recording {
  #name = null;
  #startedMs = 0;
  #timer;

  get isOn() {
    return this.#name !== null;
  }

  /** Begin. Rejects with an ApiError. */
  async start(call) {
    part("record").disabled = true;
    try {
      this.#name = (await startRecording(call)).recording;
    } finally {
      part("record").disabled = false;
    }
    this.#startedMs = performance.now();
    this.#timer = setInterval(() => this.#show(), TICK_MS);
    this.#show();
  }

  /** End and save the file; `call` is the one that stands now, if any. Rejects with an ApiError; then nothing is lost. */
  async stop(call) {
    part("record").disabled = true;
    try {
      // Another call may have come in its place, whose session was never recorded: the file is there all the same.
      if (call) await stopRecording(call).catch((error) => error.status !== 404 && Promise.reject(error));
      save(await fetchRecording(this.#name), `vividlive-${this.#name.slice(0, 6)}.mp4`);
      this.#name = null;
    } finally {
      part("record").disabled = false;
      if (!this.isOn) clearInterval(this.#timer);
      this.#show();
    }
  }

  #show() {
    const seconds = Math.floor((performance.now() - this.#startedMs) / 1000);
    part("record").classList.toggle("recording", this.isOn);
    part("record-words").textContent = this.isOn ? `Stop ${clock(seconds)}` : "Record";
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
