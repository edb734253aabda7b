/** Asks for the token of a server that does not let everybody in. */

import { part } from "./dom.js";
import { keep, kept } from "./visit.js";

/** Resolves when a token was entered and kept, with false when the person turned back. */
export function askForToken() {
  const dialog = part("token-dialog");
  if (dialog.open) return Promise.resolve(false);
  const tried = kept("token") !== null;
  part("token-refusal").hidden = !tried;
  part("token").value = "";
  return new Promise((resolve) => {
    let given = false;
    part("token-form").onsubmit = (event) => {
      event.preventDefault();
      const secret = part("token").value.trim();
      if (!secret) return part("token").focus();
      keep("token", secret);
      given = true;
      dialog.close();
    };
    part("token-cancel").onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(given), { once: true });
    dialog.showModal();
  });
}
