/** The gallery: which avatar speaks, a place for a new photo, and taking uploaded ones away. */

import { deleteAvatar, getAvatars, showPicture } from "./api.js";
import { element, icon, part } from "./dom.js";

const RIGHTS = {
  self: "My own face",
  permission: "With permission",
  "public-domain": "Public domain",
  fictional: "Nobody real",
  unstated: "Rights not stated",
};

/** Events: "choose" (detail: avatar), "add", "deleted" (detail: avatar), "failed" (detail: words). */
export class Gallery extends EventTarget {
  avatars = [];
  chosen = null;
  #list = part("avatars");
  #default = "";
  #shown = null;
  #changes = 0;
  #allowed = { choose: true, change: true };

  /** Fetch the avatars; keeps the choice where it still exists. Rejects with an ApiError. */
  async load() {
    const changes = this.#changes;
    const { avatars, default: fallback } = await getAvatars();
    if (changes !== this.#changes) return; // The answer may be from before the change.
    if (JSON.stringify(avatars) === JSON.stringify(this.avatars)) return;
    this.avatars = avatars;
    this.#default = fallback;
    this.chosen = this.#find(this.#shown) ?? this.#find(fallback) ?? avatars[0] ?? null;
    this.#render();
  }

  /** Mark the avatar that the call shows, without choosing it. */
  show(id) {
    this.#shown = id;
    const found = this.#find(id);
    if (!found || found === this.chosen) return;
    this.chosen = found;
    this.#render();
  }

  /** What the visitor may do here: `choose` who speaks, `change` which avatars there are. */
  allow(allowed) {
    this.#allowed = allowed;
    if (this.avatars.length) this.#render();
  }

  /** List an avatar that was just built. */
  add(avatar) {
    this.#changes++;
    this.avatars = [...this.avatars.filter(({ id }) => id !== avatar.id), avatar];
    this.#render();
  }

  choose(avatar) {
    this.chosen = avatar;
    this.#shown = avatar.id;
    this.#render();
    this.dispatchEvent(new CustomEvent("choose", { detail: avatar }));
  }

  #find(id) {
    return this.avatars.find((avatar) => avatar.id === id);
  }

  #render() {
    const focused = document.activeElement?.dataset.testid;
    const cards = this.avatars.map((avatar) => this.#card(avatar));
    this.#list.replaceChildren(...cards, ...(this.#allowed.change ? [this.#adder()] : []));
    if (focused) this.#list.querySelector(`[data-testid="${CSS.escape(focused)}"]`)?.focus();
  }

  #card(avatar) {
    const chosen = avatar.id === this.chosen?.id;
    const picture = element("img", { alt: "", loading: "lazy", width: 96, height: 96 });
    showPicture(picture, avatar.picture);
    const pick = element(
      "button",
      { type: "button", class: "avatar", "data-testid": `avatar-${avatar.id}`, "aria-pressed": chosen },
      picture,
      element("span", { class: "avatar-name" }, avatar.name),
      element("small", {}, avatar.bundled ? "Bundled" : (RIGHTS[avatar.rights] ?? "")),
    );
    pick.disabled = !this.#allowed.choose && !chosen;
    pick.addEventListener("click", () => avatar.id !== this.chosen?.id && this.choose(avatar));
    const item = element("li", {}, pick);
    if (!avatar.bundled && this.#allowed.change) {
      const remove = element(
        "button",
        { type: "button", class: "remove", "data-testid": `delete-${avatar.id}`, "aria-label": `Delete ${avatar.name}` },
        icon("bin"),
      );
      remove.addEventListener("click", () => this.#askToDelete(avatar));
      item.append(remove);
    }
    return item;
  }

  #adder() {
    const add = element(
      "button",
      { type: "button", class: "avatar add", "data-testid": "add-avatar" },
      element("span", { class: "plus" }, icon("plus")),
      element("span", { class: "avatar-name" }, "Add photo"),
      element("small", {}, "Takes seconds"),
    );
    add.addEventListener("click", () => this.dispatchEvent(new Event("add")));
    return element("li", {}, add);
  }

  #askToDelete(avatar) {
    const dialog = part("delete-dialog");
    part("delete-words").textContent = `“${avatar.name}” and its photo are removed from the server. Calls that show it change to the default avatar.`;
    part("delete-cancel").onclick = () => dialog.close();
    part("delete-confirm").onclick = () => {
      dialog.close();
      this.#delete(avatar);
    };
    dialog.showModal();
  }

  async #delete(avatar) {
    try {
      await deleteAvatar(avatar.id);
    } catch (error) {
      if (error.status !== 404) return this.dispatchEvent(new CustomEvent("failed", { detail: error.message }));
    }
    this.#changes++;
    this.avatars = this.avatars.filter(({ id }) => id !== avatar.id);
    this.dispatchEvent(new CustomEvent("deleted", { detail: avatar }));
    if (avatar.id === this.chosen?.id && this.#allowed.choose) this.choose(this.#find(this.#default) ?? this.avatars[0]);
    else this.#render();
    this.#list.querySelector("button")?.focus();
  }
}
