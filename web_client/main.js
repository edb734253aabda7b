/** The page: joins the avatar gallery, the call, the microphone and the meter. */

import { getConfig, getSample } from "./api.js";
import { Gallery } from "./avatars.js";
import { Connection } from "./connection.js";
import { part, setIcon } from "./dom.js";
import { acceptDrops, kindOf } from "./drop.js";
import { Meter } from "./meter.js";
import { showMeter } from "./meter_view.js";
import { Microphone } from "./microphone.js";
import { announce, hideNotice, tell, warn } from "./notice.js";
import { Sound } from "./sound.js";
import { SpeechFile } from "./speech.js";
import { Stage } from "./stage.js";
import { StyleSliders } from "./style_sliders.js";
import { lifetime, megabytes, UploadDialog } from "./upload.js";

const METER_INTERVAL_MS = 1_000;
const GALLERY_INTERVAL_MS = 20_000; // Others upload, delete, and let their time run out.
const FIRST_RETRY_MS = 3_000;

const stage = new Stage();
const sound = new Sound();
const gallery = new Gallery();
const sliders = new StyleSliders();
const speechFile = new SpeechFile();
let connection;
let upload;
let config;
let microphone = null;
let meter = new Meter();
let speaking = false;
let beginTimer;

await begin();

/** Learn what the server has; keeps asking while it does not answer. */
async function begin() {
  if (!globalThis.RTCPeerConnection) {
    stage.state = "unsupported";
    stage.setStatus("Not supported", "bad");
    part("retry").onclick = () => location.reload();
    return stage.explain({ title: "This browser cannot make video calls", words: "Vividlive needs WebRTC. Open the page in a current Chrome, Edge, Firefox or Safari.", button: "Reload" });
  }
  clearTimeout(beginTimer);
  part("retry").onclick = null; // One attempt at a time.
  try {
    [config] = await Promise.all([getConfig(), gallery.load()]);
  } catch (error) {
    stage.state = "waiting";
    stage.setStatus("No connection", "bad");
    stage.explain({ title: "Cannot connect", words: error.message, countdown: "Trying again every few seconds.", button: "Try now" });
    part("retry").onclick = begin;
    beginTimer = setTimeout(begin, FIRST_RETRY_MS);
    return;
  }
  connection = new Connection(config.ice_servers);
  connection.avatar = gallery.chosen?.id ?? "";
  upload = new UploadDialog({ maxBytes: config.max_upload_bytes, lifetimeS: config.upload_lifetime_s });
  part("upload-lifetime").textContent = config.upload_lifetime_s ? `Uploads are kept for ${lifetime(config.upload_lifetime_s)}` : "";
  if (gallery.chosen) stage.showPoster(gallery.chosen.picture);
  listen();
  connection.connect();
  setInterval(measure, METER_INTERVAL_MS);
  setInterval(reloadGallery, GALLERY_INTERVAL_MS);
}

function listen() {
  connection.addEventListener("state", (event) => showState(event.detail));
  connection.addEventListener("stream", (event) => stage.play(event.detail));
  connection.addEventListener("message", (event) => hear(event.detail));
  connection.addEventListener("no-avatar", reloadGallery);

  gallery.addEventListener("choose", (event) => {
    stage.showPoster(event.detail.picture);
    connection.setAvatar(event.detail.id);
    announce(`${event.detail.name} is the avatar now.`);
  });
  gallery.addEventListener("add", () => upload.open());
  gallery.addEventListener("deleted", (event) => tell(`“${event.detail.name}” was deleted.`));
  gallery.addEventListener("failed", (event) => warn(event.detail));
  upload.addEventListener("made", (event) => {
    gallery.add(event.detail);
    tell(`“${event.detail.name}” is ready.`);
  });

  sliders.addEventListener("change", () => connection.send(sliders.message));
  sound.addEventListener("change", showHint);
  part("start").addEventListener("click", () => (microphone ? stopTalking() : startTalking()));
  part("hang-up").addEventListener("click", hangUp);
  part("clear").addEventListener("click", interrupt);
  part("retry").onclick = () => connection.connect();
  part("speak-file").addEventListener("click", () => part("speech-file").click());
  part("sample").addEventListener("click", speakSample);
  part("speech-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) speak(file);
    event.target.value = "";
  });
  acceptDrops((file) => {
    const kind = kindOf(file);
    if (upload.isOpen || kind === "picture") upload.open(file);
    else if (kind === "sound") speak(file);
    else warn(`“${file.name}” is neither a photo nor a sound file. Drop a JPEG, PNG, WAV, MP3 or the like.`);
  });
}

// The call's state in words

function showState({ name, words, retryInS, first }) {
  stage.state = name;
  const live = name === "live";
  for (const control of ["speak-file", "clear"]) part(control).disabled = !live;
  part("hang-up").disabled = name === "ended";
  part("start").disabled = !live && name !== "ended" && !microphone;
  if (name === "connecting" || live) stage.clear();
  if (live) {
    meter = new Meter();
    connection.send(sliders.message);
    // The gallery may have changed while the call was being placed.
    if (gallery.chosen && gallery.chosen.id !== connection.avatar) connection.setAvatar(gallery.chosen.id);
    announce("Connected. The avatar is live.");
  } else {
    speaking = false;
    speechFile.stop();
    showMeter(null);
  }
  if (name === "ended") {
    stage.stop();
    stage.explain({ title: "Call ended", words: "Your microphone is off.", button: "Call again" });
  }
  if (name === "waiting") {
    stage.explain({
      title: first ? "Cannot connect" : "Connection lost",
      words,
      countdown: `Trying again in ${retryInS} s`,
      button: "Try now",
    });
    announce(words); // The same words again, each second, are not a change and are not read out.
  }
  showStatus();
  showHint();
}

function showStatus() {
  if (connection.state === "connecting") stage.setStatus("Connecting", "wait");
  else if (connection.state === "waiting") stage.setStatus("No connection", "bad");
  else if (connection.state === "ended") stage.setStatus("Call ended", "wait");
  else if (speaking) stage.setStatus("Speaking", "active");
  else if (microphone) stage.setStatus("Listening", "good");
  else stage.setStatus("Live", "good");
}

function showHint() {
  part("hint").textContent = hint();
  part("sample").hidden = !connection.isLive || microphone !== null;
}

function hint() {
  if (!microphone) return "Your microphone stays off until you press Start talking.";
  if (!sound.isOn) return "Speak: the avatar moves to your words. Its sound is off here, so nothing echoes.";
  if (sound.headphones) return "Speak: the avatar says your words.";
  return "Speak: the avatar says your words. Without headphones it may echo.";
}

/** A message from the server. */
function hear(message) {
  if (message.type === "stats") meter.hear(message);
  else if (message.type === "error") warn(String(message.error));
  else if (message.type === "state") {
    speaking = Boolean(message.speaking);
    showStatus();
  }
}

// Talking

async function startTalking() {
  hideNotice();
  if (!(await sound.settle())) return;
  part("start").disabled = true;
  try {
    const opened = await Microphone.open();
    microphone = opened;
    opened.addEventListener("ended", () => {
      if (opened !== microphone) return;
      stopTalking();
      warn("The microphone was disconnected.");
    });
    opened.watchLevel((level) => part("mic-level").style.setProperty("--level", level.toFixed(2)));
    await connection.setMicrophone(opened.track);
    if (connection.state === "ended") connection.connect();
  } catch (error) {
    microphone?.stop();
    microphone = null;
    warn(error.message);
  }
  showTalking();
}

function stopTalking() {
  microphone?.stop();
  microphone = null;
  connection.setMicrophone(null);
  showTalking();
}

function showTalking() {
  const talking = microphone !== null;
  part("start").disabled = !talking && !connection.isLive && connection.state !== "ended";
  part("start").classList.toggle("talking", talking);
  part("start-words").textContent = talking ? "Stop talking" : "Start talking";
  setIcon(part("start").querySelector("use"), talking ? "stop" : "mic");
  announce(talking ? "The microphone is on." : "The microphone is off.");
  showStatus();
  showHint();
}

function hangUp() {
  if (microphone) stopTalking();
  hideNotice();
  connection.hangUp();
  part("start").focus();
}

async function interrupt() {
  speechFile.stop();
  try {
    await connection.call?.clear();
  } catch (error) {
    warn(error.message);
  }
}

async function speak(file) {
  hideNotice();
  if (!connection.isLive) return warn("There is no call yet: the file can be spoken once the avatar is live.");
  if (file.size > config.max_upload_bytes) {
    return warn(`“${file.name}” has ${megabytes(file.size)}; the server takes at most ${megabytes(config.max_upload_bytes)}.`);
  }
  if (!microphone) sound.turn(true); // Who plays a file wants to hear it, and no microphone is open to echo.
  else if (!sound.isOn) tell("The avatar's sound is off here. Turn it on to hear the file.");
  try {
    await speechFile.speak(connection.call.id, file);
  } catch (error) {
    warn(error.message);
  }
}

async function speakSample() {
  try {
    await speak(await getSample());
  } catch (error) {
    warn(error.message);
  }
}

async function reloadGallery() {
  try {
    await gallery.load();
    const { chosen } = gallery;
    if (!chosen || chosen.id === connection.avatar) return;
    stage.showPoster(chosen.picture);
    connection.setAvatar(chosen.id);
  } catch {
    // The connection says what is wrong.
  }
}

async function measure() {
  if (!connection.isLive || !connection.call) return;
  const sample = meter.sample(await connection.call.getStats());
  showMeter(sample);
  if (sample.playout) {
    connection.send({ type: "playout", audio_ms: sample.playout.audioMs, video_ms: sample.playout.videoMs });
  }
  connection.reportStall(sample.stalledMs);
}
