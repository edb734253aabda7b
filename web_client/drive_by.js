/**
 * What drives the avatar: the user's voice, or their face before a camera, with the voice while no face is seen.
 *
 * Events: "change" (detail: the camera's track, or null for the voice); "failed" (detail: words); "rest" when the face
 * as it is now is to count as calm.
 */

import { isBusy, part, setBusy } from "./dom.js";
import { Camera } from "./face.js";

const VOICE_WORDS = "Your camera is off.";
const SEARCHING_WORDS = "Look straight at the camera with a calm face: it is measured from there.";
const SEEN_WORDS = "The avatar does what your face does.";
const UNSEEN_WORDS = "Your voice drives the avatar, for no face is seen. Look straight at the camera.";

export class DriveBy extends EventTarget {
  #camera = null;
  #attempt = 0; // Whoever stops makes an attempt void that still waits for the browser's permission.

  constructor() {
    super();
    part("drive-voice").addEventListener("click", () => this.stop());
    part("drive-face").addEventListener("click", () => this.#start());
    part("face-rest").addEventListener("click", () => this.dispatchEvent(new Event("rest")));
    this.#show(VOICE_WORDS);
  }

  /** The server found or lost the face. */
  hear({ seen, words }) {
    if (!this.#camera) return;
    this.#show(seen ? SEEN_WORDS : UNSEEN_WORDS);
    part("drive-words").title = words; // What the tracker says of it, in its own words.
    part("face-rest").hidden = !seen;
  }

  /** Give the camera back: the voice drives the avatar. */
  stop() {
    this.#attempt++;
    setBusy(part("drive-face"), false);
    if (!this.#camera) return;
    this.#camera.stop();
    this.#camera = null;
    this.#show(VOICE_WORDS);
    this.dispatchEvent(new CustomEvent("change", { detail: null }));
  }

  async #start() {
    if (this.#camera || isBusy(part("drive-face"))) return;
    const attempt = ++this.#attempt;
    setBusy(part("drive-face"), true);
    try {
      const opened = await Camera.open();
      if (attempt !== this.#attempt) return opened.stop();
      this.#camera = opened;
      opened.addEventListener("ended", () => {
        if (opened !== this.#camera) return;
        this.stop();
        this.dispatchEvent(new CustomEvent("failed", { detail: "The camera was disconnected: your voice goes on." }));
      });
      this.#show(SEARCHING_WORDS);
      this.dispatchEvent(new CustomEvent("change", { detail: opened.track }));
    } catch (error) {
      if (attempt === this.#attempt) this.dispatchEvent(new CustomEvent("failed", { detail: error.message }));
    } finally {
      if (attempt === this.#attempt) setBusy(part("drive-face"), false);
    }
  }

  #show(words) {
    const byFace = this.#camera !== null;
    part("drive-voice").setAttribute("aria-pressed", String(!byFace));
    part("drive-face").setAttribute("aria-pressed", String(byFace));
    part("drive-words").textContent = words;
    part("face-rest").hidden = true;
  }
}
