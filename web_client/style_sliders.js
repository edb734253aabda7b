/** The two sliders of manner, and the control message that they make. Fires "change". */

import { part } from "./dom.js";
import { keep, kept } from "./visit.js";

const SEND_INTERVAL_MS = 60;

export class StyleSliders extends EventTarget {
  #sliders = { expressiveness: part("expressiveness"), head_motion: part("head-motion") };
  #timer = null;
  #kept = kept("style");

  constructor() {
    super();
    for (const [name, slider] of Object.entries(this.#sliders)) slider.value = String(this.#kept?.[name] ?? 1);
    for (const slider of Object.values(this.#sliders)) slider.addEventListener("input", () => this.#changed());
    part("style-reset").addEventListener("click", () => {
      for (const slider of Object.values(this.#sliders)) slider.value = "1";
      this.#changed();
    });
    this.#show();
  }

  /** Whether anybody has moved a slider in this tab: else the session's own style stands. */
  get isChosen() {
    return this.#kept !== null;
  }

  /** The `style` message for the values now. */
  get message() {
    const { expressiveness, head_motion } = this.#sliders;
    return { type: "style", expressiveness: Number(expressiveness.value), head_motion: Number(head_motion.value) };
  }

  #changed() {
    this.#show();
    const { type, ...values } = this.message;
    keep("style", (this.#kept = values));
    // A dragged slider fires for each pixel; the server needs no more than some values a second, and the last one.
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.dispatchEvent(new Event("change"));
    }, SEND_INTERVAL_MS);
  }

  #show() {
    for (const slider of Object.values(this.#sliders)) {
      part(`${slider.dataset.testid}-value`).textContent = Number(slider.value).toFixed(2);
      slider.style.setProperty("--share", `${50 * Number(slider.value)}%`);
    }
  }
}
