/** The picture: poster until the first frame, the live video, the status in a word, and what is wrong in a sentence. */

import { showPicture } from "./api.js";
import { part } from "./dom.js";

export class Stage {
  #root = part("stage");
  #video = part("avatar-video");
  #poster = part("poster");

  /** Show this still until the video runs. */
  showPoster(address) {
    showPicture(this.#poster, address);
    this.#poster.hidden = false;
  }

  /** Play the call's stream; the still goes when its first frame is there. */
  play(stream) {
    if (stream !== this.#video.srcObject) {
      this.#root.classList.remove("playing");
      this.#video.srcObject = stream;
    }
    this.#video.play().catch(() => {}); // Interrupted by a newer stream: that one plays.
    const shown = () => stream === this.#video.srcObject && this.#root.classList.add("playing");
    if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(shown);
    else this.#video.addEventListener("playing", shown, { once: true });
  }

  /** No call: the still comes back. */
  stop() {
    this.#root.classList.remove("playing");
    this.#video.srcObject = null;
  }

  /** One word of status; tone is "good", "active", "wait" or "bad". */
  setStatus(words, tone) {
    part("status-words").textContent = words;
    part("status").dataset.tone = tone;
  }

  /** Explain over the picture why there is none. */
  explain({ title, words, countdown = "", button }) {
    setText(part("overlay-title"), title);
    setText(part("overlay-words"), words);
    setText(part("overlay-countdown"), countdown);
    setText(part("retry"), button);
    part("overlay").hidden = false;
  }

  /** Take the explanation away; a keyboard that was on its button goes on with the controls below. */
  clear() {
    if (part("overlay").contains(document.activeElement)) part("controls").focus();
    part("overlay").hidden = true;
  }

  /** The call's state, for styling and for tests. */
  set state(name) {
    this.#root.dataset.state = name;
  }
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
