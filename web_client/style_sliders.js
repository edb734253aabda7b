/** The three sliders of manner, and the control message that they make. Fires "change". */

import { part } from "./dom.js";
import { keep, kept } from "./visit.js";

const SEND_INTERVAL_MS = 60;
const NATURAL = { expressiveness: 1, head_motion: 1, mood: 0 };

export class StyleSliders extends EventTarget {
  #sliders = { expressiveness: part("expressiveness"), head_motion: part("head-motion"), mood: part("mood") };
  #timer = null;
  #kept = kept("style");

  constructor() {
    super();
    for (const [name, slider] of Object.entries(this.#sliders)) {
      slider.value = String(this.#kept?.[name] ?? NATURAL[name]);
      slider.addEventListener("input", () => this.#choose([name]));
    }
    part("style-reset").addEventListener("click", () => {
      for (const [name, slider] of Object.entries(this.#sliders)) slider.value = String(NATURAL[name]);
      this.#choose(Object.keys(NATURAL));
    });
    this.#show();
  }

  /** Whether anybody has moved a slider in this tab: else the session's own style stands. */
  get isChosen() {
    return this.#kept !== null;
  }

  /** The `style` message for what was chosen in this tab. A mood that was not is left out: an agent may have set one. */
  get message() {
    return { type: "style", ...this.#kept };
  }

  #choose(names) {
    this.#show();
    const chosen = { ...this.#kept };
    for (const name of ["expressiveness", "head_motion", ...names]) chosen[name] = Number(this.#sliders[name].value);
    keep("style", (this.#kept = chosen));
    // A dragged slider fires for each pixel; the server needs no more than some values a second, and the last one.
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.dispatchEvent(new Event("change"));
    }, SEND_INTERVAL_MS);
  }

  #show() {
    for (const [name, slider] of Object.entries(this.#sliders)) {
      const value = Number(slider.value);
      const words = name === "mood" ? moodInWords(value) : value.toFixed(2);
      part(`${slider.dataset.testid}-value`).textContent = words;
      slider.setAttribute("aria-valuetext", words);
      const [from, to] = [0, value].map((end) => (100 * (end - slider.min)) / (slider.max - slider.min)).sort((a, b) => a - b);
      slider.style.setProperty("--from", `${from}%`);
      slider.style.setProperty("--to", `${to}%`);
    }
  }
}

function moodInWords(mood) {
  if (mood === 0) return "calm";
  return `${mood < 0 ? "sad" : "cheerful"} ${Math.abs(mood).toFixed(2)}`;
}
