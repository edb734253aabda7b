// @met4citizen/headaudio as it ships, at its defaults: its processor and its node, joined by a port that delivers at once.
//
// usage: node headaudio.mjs NODE_MODULES [mended] < list.json
// The node drops the viseme aa, whose number is 0, as if there were none; "mended" hands it on.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { RATE, runAll } from "./frames.mjs";

const [folder, mended] = process.argv.slice(2);
const modules = `${pathToFileURL(folder)}/@met4citizen/headaudio/modules`;
const BLOCK = 480; // 10 ms, and so long is a step of its animation
const AA = 0;

globalThis.AudioWorkletNode = class {
  constructor() {
    this.port = { onmessage: null, postMessage: () => {} };
  }
};
const { Processor } = await import(`${modules}/processor.mjs`);
const { HeadAudio } = await import(`${modules}/headaudio.mjs`);
const model = readFileSync(`${folder}/@met4citizen/headaudio/dist/model-en-mixed.bin`);
globalThis.fetch = async () => ({
  ok: true,
  arrayBuffer: async () => model.buffer.slice(model.byteOffset, model.byteOffset + model.byteLength),
});

await runAll(async () => {
  const node = new HeadAudio(null);
  const processor = new Processor({ sampleRate: RATE }, node);
  const weights = {};
  node.onvalue = (name, value) => {
    weights[name.replace("viseme_", "")] = value;
  };
  const toNode = node.port.onmessage;
  processor.worklet = {
    port: {
      postMessage: (data) => {
        toNode({ data });
        if (mended && data.event === "viseme" && data.viseme === AA) node.visemeActive = AA;
      },
    },
  };
  node.port.postMessage = (data) => processor._onmessage({ data });
  await node.loadModel("model");
  return {
    hear: (block) => {
      processor.process(block);
      node.update((1000 * block.length) / RATE);
    },
    show: () => weights,
  };
}, BLOCK);
