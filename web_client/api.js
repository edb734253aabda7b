/** The server's HTTP requests, as docs/protocol.md lists them. Every failure is an ApiError in words. */

import { kept } from "./visit.js";

export class ApiError extends Error {
  /**
   * `status` is 0 when nothing answered; `retryAfterSeconds` is what the server asked for, or 0; `reason` says in a
   * word why a 503 is one; `faces` are boxes.
   */
  constructor(words, { status = 0, retryAfterSeconds = 0, reason = "", faces = [] } = {}) {
    super(sentence(words));
    Object.assign(this, { status, retryAfterSeconds, reason, faces });
  }
}

const NO_ANSWER = "The server does not answer. It may have stopped, or the network is down.";
const FORGOTTEN = "The server no longer knows of this photo. It may have been restarted: send it again.";
const REQUEST_TIMEOUT_MS = 15_000;

/** The header that shows the server this tab's token, if it has one. No token holds what a header cannot carry: without it the server says that it wants one. */
function credentials() {
  const token = kept("token");
  return token && /^[\x21-\x7e]+$/.test(token) ? { Authorization: `Bearer ${token}` } : {};
}

async function request(path, { headers, ...options } = {}) {
  let response;
  try {
    response = await fetch(path, {
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      cache: "no-store",
      headers: { ...credentials(), ...headers },
      ...options,
    });
  } catch {
    throw new ApiError(NO_ANSWER);
  }
  if (response.ok) return response;
  const body = await response.text().catch(() => "");
  throw refusal(response.status, body, Number(response.headers.get("Retry-After")) || 0);
}

function refusal(status, body, retryAfterSeconds = 0) {
  const { reason = "", faces = [] } = parsed(body);
  return new ApiError(wordsOf(status, body), { status, retryAfterSeconds, reason, faces });
}

/** The server's own line where it gave one. */
function wordsOf(status, body) {
  const { error, detail } = parsed(body);
  if (typeof error === "string") return error;
  if (typeof detail === "string") return detail;
  if (status === 413) return "This file is larger than the server accepts.";
  if (status === 503) return "The server is busy with other calls.";
  return `The server answered with error ${status}.`;
}

/** The object that a body holds; an empty one where it is not JSON. */
function parsed(body) {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}

/** What the answer holds. A page of somebody else's in its place, such as a sign-in to the network, is no answer. */
async function json(path, options) {
  const response = await request(path, options);
  return response.json().catch(() => Promise.reject(new ApiError(NO_ANSWER)));
}

const asJson = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

export const getConfig = () => json("/api/config");

export const getAvatars = () => json("/api/avatars");

export const deleteAvatar = (id) => request(`/api/avatars/${encodeURIComponent(id)}`, { method: "DELETE" });

const fetched = new Map(); // Pictures that needed a token, by their path.

/** Show a picture of the server in an `<img>`, which can carry no token itself. */
export async function showPicture(image, path) {
  if (!kept("token")) return void (image.src = path);
  if (!fetched.has(path)) {
    fetched.set(path, request(path).then(async (response) => URL.createObjectURL(await response.blob())));
  }
  image.src = await fetched.get(path).catch(() => {
    fetched.delete(path);
    return path;
  });
}

/** Post an offer; answers `{call, session, avatar, sdp}`. */
export const openCall = (offer) => json("/api/calls", asJson(offer));

/** Ends a call; also works while the page is going away. */
export const closeCall = (call) =>
  request(`/api/calls/${encodeURIComponent(call)}`, { method: "DELETE", keepalive: true });

export const clearCall = (call) => request(`/api/calls/${encodeURIComponent(call)}/clear`, { method: "POST" });

const recordingOf = (call) => `/api/calls/${encodeURIComponent(call)}/recording`;

/** Begin to record what the call's avatar says; answers `{recording}`. */
export const startRecording = (call) => json(recordingOf(call), { method: "POST" });

/** Stop; resolves when the file is complete. */
export const stopRecording = (call) => request(recordingOf(call), { method: "DELETE" });

/** A recording that has ended, as a Blob. */
export async function fetchRecording(recording) {
  const path = `/api/recordings/${encodeURIComponent(recording)}`;
  return (await request(path, { signal: AbortSignal.timeout(120_000) })).blob();
}

/** A spoken sentence for those who have no microphone or file at hand, as a File. */
export async function getSample() {
  const response = await request("/api/sample-speech");
  return new File([await response.blob()], "Sample sentence", { type: "audio/wav" });
}

/** Have a sound file spoken, unless `signal` aborts it on the way; answers `{seconds}`. */
export function speakFile(call, file, signal) {
  return json(`/api/calls/${encodeURIComponent(call)}/speech`, {
    method: "POST",
    headers: { "Content-Type": file.type || "application/octet-stream" },
    body: file,
    signal: AbortSignal.any([signal, AbortSignal.timeout(120_000)]),
  });
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
      else reject(refusal(post.status, post.responseText));
    });
    post.open("POST", "/api/avatars");
    for (const [name, value] of Object.entries(credentials())) post.setRequestHeader(name, value);
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
      onProgress({ step: "Waiting for the server" });
      if (events.readyState === EventSource.CLOSED) finish(reject, new ApiError(FORGOTTEN));
    });
  });
}

function sentence(words) {
  return words ? words[0].toUpperCase() + words.slice(1) : "";
}
