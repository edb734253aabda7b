/** Speaking a sound file: sending it, and how far the avatar is with it. */

import { speakFile } from "./api.js";
import { part } from "./dom.js";

const TICK_MS = 200;

export class SpeechFile {
  #timer;
  #sending = null;

  /** Send the file to the call; resolves when the server has it. Rejects with an ApiError. */
  async speak(call, file) {
    this.stop();
    part("speech-name").textContent = file.name;
    part("speech-time").textContent = "sending";
    part("speech-progress").removeAttribute("value");
    part("speech").hidden = false;
    const sending = (this.#sending = new AbortController());
    try {
      const { seconds } = await speakFile(call, file, sending.signal);
      if (!sending.signal.aborted) this.#run(seconds);
    } catch (error) {
      if (sending.signal.aborted) return;
      this.stop();
      throw error;
    }
  }

  /** Nothing is spoken (any more), nor sent to be spoken. */
  stop() {
    this.#sending?.abort();
    clearInterval(this.#timer);
    part("speech").hidden = true;
  }

  #run(seconds) {
    const started = performance.now();
    const tick = () => {
      const spoken = (performance.now() - started) / 1000;
      if (spoken >= seconds) return this.stop();
      part("speech-progress").value = spoken / seconds;
      part("speech-time").textContent = `${clock(spoken)} / ${clock(seconds)}`;
    };
    clearInterval(this.#timer);
    this.#timer = setInterval(tick, TICK_MS);
    tick();
  }
}

/** Minutes and whole seconds, as "1:05". */
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
