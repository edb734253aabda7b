/** The dialog that makes an avatar from a photo: whose face it is, how far the work is, and why it may be refused. */

import { followAvatarJob, uploadPhoto } from "./api.js";
import { element, part } from "./dom.js";

const SENDING_SHARE = 0.15; // of the progress bar; the rest is the server's own work

/** Fires "made" (detail: `{avatar, isWanted}`; unwanted is one whose dialog was closed or given another photo meanwhile). */
export class UploadDialog extends EventTarget {
  #dialog = part("upload-dialog");
  #photo = null;
  #face = null;
  #job = 0; // Counts attempts, so that an abandoned one changes nothing.
  #maxBytes;

  constructor({ maxBytes, lifetimeS }) {
    super();
    this.#maxBytes = maxBytes;
    part("upload-kept").textContent = lifetimeS
      ? `Kept on the server for ${lifetime(lifetimeS)}, then deleted. You can delete it sooner.`
      : "You can delete it at any time.";
    part("photo-pick").addEventListener("click", () => part("photo-file").click());
    part("photo-change").addEventListener("click", () => part("photo-file").click());
    part("photo-file").addEventListener("change", (event) => this.#take(event.target.files[0]));
    part("upload-close").addEventListener("click", () => this.#dialog.close());
    part("upload-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#dialog.addEventListener("close", () => this.#job++);
  }

  /** Open the dialog, with a photo where one was dropped. */
  open(photo = null) {
    if (!this.#dialog.open) {
      part("upload-form").reset();
      this.#forget();
      this.#dialog.showModal();
    }
    if (photo) this.#take(photo);
  }

  get isOpen() {
    return this.#dialog.open;
  }

  #forget() {
    this.#photo = this.#face = null;
    this.#refuse("");
    this.#working(false);
    part("photo-shown").hidden = true;
    part("photo-pick").hidden = false;
  }

  #take(photo) {
    if (!photo) return;
    this.#job++;
    this.#forget();
    if (photo.size > this.#maxBytes) {
      return this.#refuse(`This photo has ${megabytes(photo.size)}; the server takes at most ${megabytes(this.#maxBytes)}. Choose a smaller one.`);
    }
    this.#photo = photo;
    const preview = part("photo-preview");
    const address = URL.createObjectURL(photo);
    preview.onload = preview.onerror = () => URL.revokeObjectURL(address);
    preview.src = address;
    part("photo-name").textContent = photo.name;
    part("photo-file").value = "";
    part("photo-pick").hidden = true;
    part("photo-shown").hidden = false;
    part("faces").replaceChildren();
  }

  async #submit() {
    const rights = document.querySelector('input[name="rights"]:checked')?.value;
    if (!this.#photo) return this.#complain("Choose a photo first.", part("photo-pick"));
    if (!rights) return this.#complain("Say whose face it is.", part("rights-self"));
    if (!part("consent").checked) return this.#complain("Confirm that you may use this face.", part("consent"));
    this.#refuse("");
    const job = ++this.#job;
    this.#working(true);
    try {
      const form = { photo: this.#photo, rights, name: part("avatar-name").value.trim() || stem(this.#photo.name), face: this.#face };
      const id = await uploadPhoto(form, (fraction) =>
        this.#progress(fraction < 1 ? "Sending the photo" : "Looking for the face", fraction * SENDING_SHARE),
      );
      const outcome = await followAvatarJob(id, ({ step, fraction }) => {
        if (job === this.#job) this.#progress(step, fraction === undefined ? undefined : SENDING_SHARE + (1 - SENDING_SHARE) * fraction);
      });
      // An avatar that is not wanted any more exists all the same, and can be deleted in the gallery.
      if (outcome.avatar) return this.#done(outcome.avatar, job);
      if (job === this.#job) this.#refused(outcome);
    } catch (error) {
      if (job === this.#job) this.#refused({ error: error.message, faces: error.faces });
    }
  }

  #done(avatar, job) {
    const isWanted = job === this.#job;
    if (isWanted) this.#dialog.close();
    this.dispatchEvent(new CustomEvent("made", { detail: { avatar, isWanted } }));
  }

  #refused({ error, faces = [] }) {
    this.#working(false);
    if (faces.length < 2) return this.#refuse(error);
    if (!part("photo-preview").naturalWidth) {
      return this.#refuse(`There are ${faces.length} faces in this photo, and this browser cannot show it. Choose it as a JPEG or PNG, or one with a single face.`);
    }
    this.#refuse(`There are ${faces.length} faces in this photo. Choose the one who should speak.`, "info");
    part("upload-fields").hidden = part("upload-submit").hidden = true;
    this.#offer(faces);
  }

  /** Draw a button around each face; pixels of the upright photo. */
  #offer(faces) {
    const { naturalWidth: width, naturalHeight: height } = part("photo-preview");
    const buttons = faces.map(([x, y, w, h], index) => {
      const button = element(
        "button",
        { type: "button", class: "face", "data-testid": `face-${index}`, "aria-label": `Face ${index + 1} of ${faces.length}` },
        element("span", {}, String(index + 1)),
      );
      const place = { left: x / width, top: y / height, width: w / width, height: h / height };
      for (const [side, share] of Object.entries(place)) button.style[side] = `${share * 100}%`;
      button.addEventListener("click", () => {
        this.#face = index;
        part("faces").replaceChildren();
        this.#submit();
      });
      return button;
    });
    part("faces").replaceChildren(...buttons);
    buttons[0].focus();
  }

  #working(on) {
    part("upload-fields").hidden = on;
    part("making").hidden = !on;
    part("upload-submit").hidden = on;
    part("photo-change").hidden = on;
    this.#progress(on ? "Sending the photo" : "", 0);
  }

  /** `fraction`: unless left out, of all the work. */
  #progress(step, fraction = part("upload-progress").value) {
    part("upload-progress").value = fraction;
    if (part("upload-step").textContent !== step) part("upload-step").textContent = step;
  }

  #complain(words, field) {
    this.#refuse(words);
    field.focus();
  }

  #refuse(words, tone = "bad") {
    part("upload-refusal").dataset.tone = tone;
    part("upload-refusal").textContent = words;
    part("upload-refusal").hidden = !words;
  }
}

/** Seconds as a stretch of time that a person would name. */
export function lifetime(seconds) {
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  const [name, size] = units.find(([, size]) => seconds >= size) ?? units.at(-1);
  const count = Math.max(1, Math.round(seconds / size));
  return count === 1 ? `1 ${name}` : `${count} ${name}s`;
}

export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** A file name without its ending, for people to read. */
function stem(fileName) {
  return fileName.replace(/\.[^.]*$/, "").replace(/[_-]+/g, " ").slice(0, 60);
}
