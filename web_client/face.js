/** The user's own camera: asking for it, and why it cannot be had. It is sent to be measured only; nobody sees it. */

const REFUSALS = {
  NotAllowedError:
    "The browser refused the camera. Allow it for this page, usually with the icon beside the address, then choose again.",
  NotFoundError: "No camera was found. Connect one and choose again, or go on by voice.",
  NotReadableError: "The camera cannot be opened. Another program may be using it.",
};

/** A face that fills a small picture is measured as well as in a large one. */
const PICTURE = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 }, facingMode: "user" };

/** Why there is no camera, in words for the person at the page. */
export class CameraError extends Error {}

/** One open camera. Fires "ended" when the device goes away by itself. */
export class Camera extends EventTarget {
  /** Ask for the camera. Rejects with a CameraError. */
  static async open() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new CameraError("Browsers give the camera only to pages that come over https or from this computer.");
    }
    try {
      return new Camera(await navigator.mediaDevices.getUserMedia({ video: PICTURE }));
    } catch (error) {
      throw new CameraError(REFUSALS[error.name] ?? `The camera cannot be opened (${error.name}).`);
    }
  }

  #stream;

  constructor(stream) {
    super();
    this.#stream = stream;
    this.track.addEventListener("ended", () => this.dispatchEvent(new Event("ended")));
  }

  get track() {
    return this.#stream.getVideoTracks()[0];
  }

  /** Give the camera back; its light goes out. */
  stop() {
    for (const track of this.#stream.getTracks()) track.stop();
  }
}
