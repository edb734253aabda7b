/** Writes the meter's values into the page. */

import { element, part } from "./dom.js";

const FULL_RATE = 25;
const FRAME_BUDGET_MS = 40;
const UNKNOWN = "–";

const LADDER = {
  full: "Full quality",
  "no-supersampling": "Server busy: softer mouth",
  "half-rate": "Server busy: half frame rate",
  repeat: "Server overloaded",
};

/** Show one sample of the meter; null empties the display. */
export function showMeter(sample) {
  const known = (value, words) => (value === null || value === undefined ? UNKNOWN : words(value));
  const s = sample ?? {};
  put("meter-fps", known(s.fps, (fps) => `${fps.toFixed(1)} fps`), s.fps != null && s.fps < FULL_RATE * 0.9);
  put("meter-latency", known(s.latencyMs, milliseconds), false);
  put("meter-av-offset", known(s.avOffsetMs, (offset) => signed(offset)), Math.abs(s.avOffsetMs ?? 0) > 80);
  put("meter-repeated", known(s.repeatedShare, (share) => `${(100 * share).toFixed(1)} %`), s.repeatedShare > 0.02);
  put("meter-ladder", known(s.ladder, (step) => LADDER[step] ?? step), s.ladder !== "full");
  part("meter-ladder").hidden = !s.ladder;
  put("meter-codec", s.codec && s.width ? `${s.codec}, ${s.width} × ${s.height}` : UNKNOWN, false);
  put("meter-server", known(s.serverMs, milliseconds), false);
  put("meter-rtt", known(s.roundTripMs, milliseconds), false);
  put("meter-bitrate", known(s.kilobitsPerSecond, (rate) => `${Math.round(rate)} kbit/s`), false);
  put("meter-lost", known(s.packetsLost, String), false);
  drawTrace(s.fpsTrace ?? []);
  if (part("meter-details").open) drawStages(s.stages ?? {});
}

function put(name, words, isBad) {
  const node = part(name);
  if (node.textContent !== words) node.textContent = words;
  node.classList.toggle("bad", isBad);
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function signed(value) {
  const whole = Math.round(value);
  return `${whole > 0 ? "+" : whole < 0 ? "−" : ""}${Math.abs(whole)} ms`;
}

/** Frame rate of the last minute, newest at the right; the top is 30 fps. */
function drawTrace(values) {
  const points = values.map((fps, index) => `${60 - values.length + index + 1},${(24 * (1 - Math.min(fps, 30) / 30)).toFixed(1)}`);
  part("meter-trace").querySelector("polyline").setAttribute("points", points.join(" "));
}

/** A bar for each stage; a full bar is a whole frame (40 ms). */
function drawStages(stages) {
  const rows = Object.entries(stages).map(([name, ms]) => {
    const bar = element("i");
    bar.style.width = `${Math.min(100, (100 * ms) / FRAME_BUDGET_MS)}%`;
    return element(
      "li",
      {},
      element("span", {}, name.replaceAll("_", " ")),
      element("span", { class: "bar", "aria-hidden": "true" }, bar),
      element("span", { class: "ms" }, `${Number(ms).toFixed(1)} ms`),
    );
  });
  part("meter-stages").replaceChildren(...rows);
}
