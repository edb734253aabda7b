/** What this tab was asked for in its address, and what it keeps over a reload. */

const PREFIX = "vividlive.";
const keptHere = new Map(); // Where the browser keeps nothing, things last as long as the page.

/** Keep a value in this tab; null forgets it. */
export function keep(name, value) {
  keptHere.set(name, value);
  try {
    if (value === null) sessionStorage.removeItem(PREFIX + name);
    else sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Private windows may refuse.
  }
}

/** What was kept under this name, or null. */
export function kept(name) {
  if (keptHere.has(name)) return keptHere.get(name);
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

/**
 * Read the address: `?join=NAME` joins a session, or the one that all share who ask for an avatar; `?watch=NAME` only
 * looks on; `?token=SECRET` is kept in this tab and taken out of the address, which people copy and browsers remember.
 *
 * @returns {{session: string | null, watch: boolean}}
 */
export function readAddress() {
  const asked = new URLSearchParams(location.search);
  if (asked.has("token")) {
    keep("token", asked.get("token"));
    asked.delete("token");
    history.replaceState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}${location.hash}`);
  }
  return { session: asked.get("watch") || asked.get("join") || null, watch: Boolean(asked.get("watch")) };
}
