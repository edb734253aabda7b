/** Finding and making elements. Text goes in as text only, so nothing that a server or a file name says becomes markup. */

/** The element that carries this `data-testid`; a missing one is our own mistake. */
export function part(name) {
  const found = document.querySelector(`[data-testid="${name}"]`);
  if (!found) throw new Error(`the page has no element with data-testid="${name}"`);
  return found;
}

/** A new element. `attributes` are set as attributes (null: left out); strings among `children` become text nodes. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/** One picture of icons.svg. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  setIcon(use, name);
  svg.append(use);
  return svg;
}

/**
 * Let a control look and act as disabled while something is under way, but keep the keyboard's focus, which `disabled`
 * would throw away. What it does must look at `isBusy` first.
 */
export function setBusy(control, busy) {
  if (busy) control.setAttribute("aria-disabled", "true");
  else control.removeAttribute("aria-disabled");
}

export function isBusy(control) {
  return control.hasAttribute("aria-disabled");
}

/** Let a `<use>` show another icon. */
export function setIcon(use, name) {
  use.setAttribute("href", `/static/icons.svg#${name}`);
}
