// What the peers' drivers share: sounds in, visemes of each video frame out.
//
// standard input: JSON [{sound, out}, ...]; sound holds mono float32 at 48 kHz, out receives 15 float32 a frame of
// 40 ms, in the order of VISEMES: what the peer shows once the frame's last sample has been heard.
import { readFileSync, writeFileSync } from "node:fs";

export const RATE = 48000;
export const FRAME = RATE / 25;
export const VISEMES = ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U"];

// Runs `make()` afresh for every sound; what it gives hears blocks by `hear(block)` and tells its visemes by
// `show()`, an object of weights by name. `blocks` is how many samples are heard at a time.
export async function runAll(make, blocks) {
  for (const { sound, out } of JSON.parse(readFileSync(0, "utf8"))) {
    const bytes = readFileSync(sound);
    const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const frames = Math.floor(samples.length / FRAME);
    const rows = new Float32Array(frames * VISEMES.length);
    const peer = await make();
    for (let frame = 0; frame < frames; frame++) {
      for (let start = frame * FRAME; start < (frame + 1) * FRAME; start += blocks) {
        peer.hear(samples.subarray(start, start + blocks));
      }
      const weights = peer.show();
      VISEMES.forEach((name, column) => {
        rows[frame * VISEMES.length + column] = weights[name] ?? 0;
      });
    }
    writeFileSync(out, new Uint8Array(rows.buffer));
  }
}
