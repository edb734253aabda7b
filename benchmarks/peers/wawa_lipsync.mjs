// wawa-lipsync as it ships, at its defaults, asked 50 times a second; its AnalyserNode is computed here as the Web Audio
// specification says: Blackman window, FFT, smoothing over time by 0.8, decibels from -100 to -30 as bytes.
//
// usage: node wawa_lipsync.mjs NODE_MODULES < list.json
// It names one viseme at a time; drivers ease towards it, here by a third of the way each step.
import { pathToFileURL } from "node:url";
import { RATE, runAll, VISEMES } from "./frames.mjs";

const BLOCK = RATE / 50;
const SMOOTHING = 0.8;
const [LEAST_DB, MOST_DB] = [-100, -30];
const EASE = 1 / 3;

let heard = 0; // samples, the only clock
globalThis.performance = { now: () => (1000 * heard) / RATE };

class Analyser {
  #size = 2048;
  set fftSize(size) {
    this.#size = size;
    this.recent = new Float64Array(size);
    this.smooth = new Float64Array(size / 2);
    this.window = Float64Array.from({ length: size }, (_, n) => {
      const turn = (2 * Math.PI * n) / size;
      return 0.42 - 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn);
    });
  }
  get frequencyBinCount() {
    return this.#size / 2;
  }
  hear(block) {
    this.recent.copyWithin(0, block.length);
    this.recent.set(block, this.#size - block.length);
  }
  getByteFrequencyData(bytes) {
    const real = this.recent.map((value, n) => value * this.window[n]);
    const imaginary = new Float64Array(this.#size);
    transform(real, imaginary);
    for (let bin = 0; bin < bytes.length; bin++) {
      const size = Math.hypot(real[bin], imaginary[bin]) / this.#size;
      this.smooth[bin] = SMOOTHING * this.smooth[bin] + (1 - SMOOTHING) * size;
      const level = (20 * Math.log10(this.smooth[bin]) - LEAST_DB) / (MOST_DB - LEAST_DB);
      bytes[bin] = Math.floor(255 * Math.min(Math.max(level, 0), 1));
    }
  }
}

// Fast Fourier transform in place, for sizes that are powers of two.
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let length = 2; length <= size; length <<= 1) {
    for (let k = 0; k < length / 2; k++) {
      const [cosine, sine] = [Math.cos((2 * Math.PI * k) / length), -Math.sin((2 * Math.PI * k) / length)];
      for (let a = k; a < size; a += length) {
        const b = a + length / 2;
        const x = real[b] * cosine - imaginary[b] * sine;
        const y = real[b] * sine + imaginary[b] * cosine;
        [real[b], imaginary[b]] = [real[a] - x, imaginary[a] - y];
        [real[a], imaginary[a]] = [real[a] + x, imaginary[a] + y];
      }
    }
  }
}

let analyser;
globalThis.window = {
  AudioContext: class {
    sampleRate = RATE;
    createAnalyser() {
      analyser = new Analyser();
      return analyser;
    }
  },
};
const { Lipsync } = await import(`${pathToFileURL(process.argv[2])}/wawa-lipsync/dist/wawa-lipsync.es.js`);

await runAll(async () => {
  heard = 0;
  const lipsync = new Lipsync();
  const weights = Object.fromEntries(VISEMES.map((name) => [name, 0]));
  return {
    hear: (block) => {
      analyser.hear(block);
      heard += block.length;
      lipsync.processAudio();
      for (const name of VISEMES) {
        weights[name] += EASE * ((lipsync.viseme === `viseme_${name}` ? 1 : 0) - weights[name]);
      }
    },
    show: () => weights,
  };
}, BLOCK);
