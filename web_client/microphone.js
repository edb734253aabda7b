/** The microphone: asking for it, how loud it is, and why it cannot be had. */

const LEVEL_INTERVAL_MS = 80;
const SILENCE_DBFS = -60;

/** Why there is no microphone, in words for the person at the page. */
export class MicrophoneError extends Error {}

const REFUSALS = {
  NotAllowedError:
    "The browser refused the microphone. Allow it for this page, usually with the icon beside the address, then start again.",
  NotFoundError: "No microphone was found. Connect one and start again, or let the avatar speak a sound file.",
  NotReadableError: "The microphone cannot be opened. Another program may be using it.",
};
/** Why browsers give no microphone to a page from elsewhere without TLS. */
export const INSECURE =
  "Browsers give the microphone only to pages that come over https or from this computer (http://localhost). Open the page that way to talk; files can be spoken here all the same.";

/** One open microphone. Fires "ended" when the device goes away by itself. */
export class Microphone extends EventTarget {
  /** Whether this page can be given a microphone at all: see INSECURE. */
  static get isPossible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  /** Ask for the microphone. Rejects with a MicrophoneError. */
  static async open() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
      return new Microphone(stream);
    } catch (error) {
      for (const track of stream?.getTracks() ?? []) track.stop(); // It was given, but cannot be heard here.
      throw new MicrophoneError(REFUSALS[error.name] ?? `The microphone cannot be opened (${error.name}).`);
    }
  }

  #stream;
  #context = new AudioContext();
  #analyser;
  #samples;
  #timer;

  constructor(stream) {
    super();
    this.#stream = stream;
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 2048;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    this.track.addEventListener("ended", () => this.dispatchEvent(new Event("ended")));
  }

  get track() {
    return this.#stream.getAudioTracks()[0];
  }

  /** Tell `hear` the level, 0 (-60 dBFS or less) to 1 (full scale), some times a second until `stop`. */
  watchLevel(hear) {
    this.#timer = setInterval(() => {
      this.#analyser.getFloatTimeDomainData(this.#samples);
      const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
      const dbfs = 10 * Math.log10(power + 1e-12);
      hear(Math.min(1, Math.max(0, 1 - dbfs / SILENCE_DBFS)));
    }, LEVEL_INTERVAL_MS);
  }

  /** Give the microphone back; the browser's recording sign goes out. */
  stop() {
    clearInterval(this.#timer);
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close();
  }
}
