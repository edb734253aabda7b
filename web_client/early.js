/**
 * Places the first call before the rest of the page is loaded: the picture is what everybody waits for. Then it loads
 * the rest, main.js.
 */

import { getConfig } from "./api.js";
import { Call, whyUnsupported } from "./call.js";
import { Stage } from "./stage.js";
import { kept, readAddress } from "./visit.js";

const PATIENCE_MS = 800;

export const stage = new Stage();

/** What the address asks for, and what this tab remembers. */
export const visit = readAddress();

/** The server's settings, asked for once. */
export const firstConfig = getConfig();

/** How a call is asked for on this visit. */
export const wanted = {
  session: visit.session ?? kept("session"),
  avatar: kept("avatar"),
  watch: visit.watch,
};

/** A promise of the first call; null where this browser can take none. */
export const firstCall = whyUnsupported() ? null : Call.place({ ...wanted, config: firstConfig });

firstCall?.then((call) => stage.play(call.stream)).catch(() => {}); // The connection says why.
firstConfig.catch(() => {});

// The rest would take its share of the processor from the answer; it comes while the two peers find each other.
const enough = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
Promise.race([firstCall, enough]).catch(() => {}).then(() => import("./main.js"));
