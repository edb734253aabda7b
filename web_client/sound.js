/** Whether the avatar is heard here. Off at first: browsers want a gesture, and loudspeakers make an echo. */

import { part, setIcon } from "./dom.js";

const STORE = "vividlive.headphones";

/** What the browser's buffer holds. New speech takes longer than this to come, so nothing of it is lost. */
const HUSH_MS = 100;

export class Sound extends EventTarget {
  #video = part("avatar-video");
  #button = part("sound");
  #dialog = part("listening-dialog");
  #settled = false;
  #hushed;

  constructor() {
    super();
    this.#button.addEventListener("click", () => this.turn(!this.isOn));
  }

  get isOn() {
    return !this.#video.muted;
  }

  /** What the person said about headphones: true, false, or null when never asked. */
  get headphones() {
    const kept = stored();
    return kept === null ? null : kept === "yes";
  }

  /** Turn the avatar's sound on or off. */
  turn(on) {
    this.#video.muted = !on;
    this.#video.play().catch(() => on && this.turn(false)); // Browsers refuse sound without a gesture.
    this.#button.dataset.on = String(on);
    part("sound-words").textContent = on ? "Sound on" : "Sound off";
    setIcon(part("sound-icon"), on ? "sound-on" : "sound-off");
    this.dispatchEvent(new Event("change"));
  }

  /** Let nothing of what is still on its way be heard: the server has just thrown away what it had. */
  hush() {
    clearTimeout(this.#hushed);
    this.#video.volume = 0;
    this.#hushed = setTimeout(() => (this.#video.volume = 1), HUSH_MS);
  }

  /** Before the microphone opens: ask once how the person listens. False when they turned back. */
  async settle() {
    if (this.headphones === null) {
      const answer = await this.#ask();
      if (answer === null) return false;
      store(answer ? "yes" : "no");
    }
    // On loudspeakers the sound goes off for the microphone; on headphones a later choice of the person's stands.
    if (!this.headphones) this.turn(false);
    else if (!this.#settled) this.turn(true);
    this.#settled = true;
    return true;
  }

  #ask() {
    return new Promise((resolve) => {
      const dialog = this.#dialog;
      let answer = null;
      const answers = [
        ["choose-headphones", true],
        ["choose-speakers", false],
        ["listening-cancel", null],
      ];
      for (const [name, value] of answers) {
        part(name).onclick = () => {
          answer = value;
          dialog.close();
        };
      }
      dialog.addEventListener("close", () => resolve(answer), { once: true });
      dialog.showModal();
    });
  }
}

let keptHere = null; // Where the browser keeps nothing, the answer holds for this visit.

function stored() {
  try {
    return localStorage.getItem(STORE) ?? keptHere;
  } catch {
    return keptHere;
  }
}

function store(answer) {
  keptHere = answer;
  try {
    localStorage.setItem(STORE, answer);
  } catch {
    // Private windows may refuse.
  }
}
