/** Places the first call while the rest of the page is still on its way: the picture is what everybody waits for. */

import { getConfig } from "./api.js";
import { Call, whyUnsupported } from "./call.js";
import { part } from "./dom.js";
import { kept, readAddress } from "./visit.js";

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

firstCall?.then((call) => (part("avatar-video").srcObject = call.stream)).catch(() => {}); // The connection says why.
firstConfig.catch(() => {});
