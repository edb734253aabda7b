/** The server's HTTP requests, as docs/protocol.md lists them. Every failure is an ApiError in words. */

export class ApiError extends Error {
  /** `status` is 0 when nothing answered; `retryAfterSeconds` is what the server asked for, or 0; `faces` are boxes. */
  constructor(words, status = 0, retryAfterSeconds = 0, faces = []) {
    super(sentence(words));
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
    this.faces = faces;
  }
}

const NO_ANSWER = "The server does not answer. It may have stopped, or the network is down.";
const REQUEST_TIMEOUT_MS = 15_000;

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS), cache: "no-store", ...options });
  } catch {
    throw new ApiError(NO_ANSWER);
  }
  if (response.ok) return response;
  const retryAfter = Number(response.headers.get("Retry-After"));
  throw new ApiError(wordsOf(response.status, await response.text().catch(() => "")), response.status, retryAfter || 0);
}

/** The server's own line where it gave one. */
function wordsOf(status, body) {
  try {
    const { error, detail } = JSON.parse(body);
    if (typeof error === "string") return error;
    if (typeof detail === "string") return detail;
  } catch {
    // Not JSON: say what the number means.
  }
  if (status === 413) return "This file is larger than the server accepts.";
  if (status === 503) return "The server is busy with other calls.";
  return `The server answered with error ${status}.`;
}

/** The boxes of several faces, where a photo was refused for them. */
function facesOf(body) {
  try {
    return JSON.parse(body).faces ?? [];
  } catch {
    return [];
  }
}

const asJson = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

export const getConfig = async () => (await request("/api/config")).json();

export const getAvatars = async () => (await request("/api/avatars")).json();

export const deleteAvatar = (id) => request(`/api/avatars/${encodeURIComponent(id)}`, { method: "DELETE" });

/** Post an offer; answers `{call, sdp}`. */
export const openCall = async (offer) => (await request("/api/calls", asJson(offer))).json();

/** Ends a call; also works while the page is going away. */
export const closeCall = (call) =>
  request(`/api/calls/${encodeURIComponent(call)}`, { method: "DELETE", keepalive: true });

export const clearCall = (call) => request(`/api/calls/${encodeURIComponent(call)}/clear`, { method: "POST" });

/** A spoken sentence for those who have no microphone or file at hand, as a File. */
export async function getSample() {
  const response = await request("/api/sample-speech");
  return new File([await response.blob()], "Sample sentence", { type: "audio/wav" });
}

/** Have a sound file spoken; answers `{seconds}`. */
export async function speakFile(call, file) {
  const response = await request(`/api/calls/${encodeURIComponent(call)}/speech`, {
    method: "POST",
    headers: { "Content-Type": file.type || "application/octet-stream" },
    body: file,
    signal: AbortSignal.timeout(120_000),
  });
  return response.json();
}

/** Whether the server says that it is well. */
export async function isHealthy() {
  try {
    await request("/healthz", { signal: AbortSignal.timeout(4_000) });
    return true;
  } catch {
    return false;
  }
}

/** Send a photo; resolves with the job's id once a face was found in it. `onSent` hears the fraction that has left. XHR, because fetch cannot tell. */
export function uploadPhoto({ photo, rights, name, face }, onSent) {
  const body = new FormData();
  body.append("photo", photo, photo.name);
  body.append("rights", rights);
  if (name) body.append("name", name);
  if (face != null) body.append("face", String(face));
  return new Promise((resolve, reject) => {
    const post = new XMLHttpRequest();
    post.upload.addEventListener("progress", (event) => event.lengthComputable && onSent(event.loaded / event.total));
    post.addEventListener("error", () => reject(new ApiError(NO_ANSWER)));
    post.addEventListener("load", () => {
      if (post.status === 202) resolve(JSON.parse(post.responseText).job);
      else reject(new ApiError(wordsOf(post.status, post.responseText), post.status, 0, facesOf(post.responseText)));
    });
    post.open("POST", "/api/avatars");
    post.send(body);
  });
}

/** Follow an avatar job to its end: `{avatar}` when done, `{error, faces}` when refused. Steps and errors are sentences. */
export function followAvatarJob(job, onProgress) {
  return new Promise((resolve, reject) => {
    const events = new EventSource(`/api/avatar-jobs/${encodeURIComponent(job)}/events`);
    const finish = (settle, value) => {
      events.close();
      settle(value);
    };
    events.addEventListener("progress", (event) => {
      const { step, fraction } = JSON.parse(event.data);
      onProgress({ step: sentence(step), fraction });
    });
    events.addEventListener("done", (event) => finish(resolve, JSON.parse(event.data)));
    events.addEventListener("refused", (event) => {
      const { error, faces } = JSON.parse(event.data);
      finish(resolve, { error: sentence(error), faces });
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) finish(reject, new ApiError(NO_ANSWER));
    });
  });
}

function sentence(words) {
  return words ? words[0].toUpperCase() + words.slice(1) : "";
}
