/** Files dropped anywhere on the page: sound is spoken, a picture becomes an avatar. */

import { part } from "./dom.js";

const SOUND_NAMES = /\.(wav|mp3|m4a|aac|ogg|oga|opus|flac|webm|mp4|mov|mkv)$/i;
const PICTURE_NAMES = /\.(jpe?g|png|webp|bmp|tiff?|heic|avif)$/i;

/** "sound", "picture" or "other". */
export function kindOf(file) {
  if (file.type.startsWith("image/") || PICTURE_NAMES.test(file.name)) return "picture";
  if (/^(audio|video)\//.test(file.type) || SOUND_NAMES.test(file.name)) return "sound";
  return "other";
}

/** Call `take(file)` with each file that is dropped. */
export function acceptDrops(take) {
  const bringsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const highlight = (on) => {
    document.body.classList.toggle("dropping", on);
    part("drop-here").hidden = !on;
  };
  addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    highlight(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && highlight(false));
  addEventListener("drop", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    highlight(false);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}
