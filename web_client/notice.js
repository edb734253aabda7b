/** One message at a time below the controls, and words for screen readers alone. */

import { part } from "./dom.js";

const INFO_MS = 8_000;
let timer;

/** Say something that went well or may be worth knowing; it goes away by itself. */
export function tell(words) {
  show(words, "info");
  timer = setTimeout(hideNotice, INFO_MS);
}

/** Say what went wrong; it stays until closed or replaced. */
export function warn(words) {
  show(words, "bad");
}

export function hideNotice() {
  clearTimeout(timer);
  part("notice").hidden = true;
  part("hint").hidden = false;
}

/** Read this out without showing it. */
export function announce(words) {
  part("announcer").textContent = words;
}

function show(words, tone) {
  hideNotice();
  const notice = part("notice");
  notice.dataset.tone = tone;
  part("notice-words").textContent = words;
  notice.hidden = false;
  part("hint").hidden = true;
}

part("notice-close").addEventListener("click", hideNotice);
