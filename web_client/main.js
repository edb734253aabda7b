/** The page: joins the avatar gallery, the call, the microphone and the meter. */

import { getConfig, getSample } from "./api.js";
import { Gallery } from "./avatars.js";
import { whyUnsupported } from "./call.js";
import { Connection } from "./connection.js";
import { isBusy, part, setBusy, setIcon } from "./dom.js";
import { DriveBy } from "./drive_by.js";
import { firstCall, firstConfig, stage, visit, wanted } from "./early.js";
import { acceptDrops, kindOf } from "./drop.js";
import { Meter } from "./meter.js";
import { showMeter } from "./meter_view.js";
import { INSECURE, Microphone } from "./microphone.js";
import { announce, hideNotice, tell, warn } from "./notice.js";
import { Recording } from "./recording.js";
import { Sound } from "./sound.js";
import { SpeechFile } from "./speech.js";
import { StyleSliders } from "./style_sliders.js";
import { askForToken } from "./token.js";
import { lifetime, megabytes, UploadDialog } from "./upload.js";
import { keep } from "./visit.js";

const METER_INTERVAL_MS = 1_000;
const GALLERY_INTERVAL_MS = 20_000; // Others upload, delete, and let their time run out.
const RECORDING_ENDS_MS = 2_000; // Hanging up waits no longer for the recording's end; the server ends it then.

const sound = new Sound();
const gallery = new Gallery();
const sliders = new StyleSliders();
const driveBy = new DriveBy();
const speechFile = new SpeechFile();
const recording = new Recording();
const connection = new Connection({ ...wanted, isGuest: visit.session !== null, config: fetchConfig, firstCall });
let upload = null;
let config = null;
let mayPublish = !visit.watch;
let mayAdmin = true;
let microphone = null;
let meter = new Meter();
let speaking = false;
let attempt = 0; // To talk. Whoever hangs up makes one void that still waits for the browser's permission.

begin();

function begin() {
  const words = whyUnsupported();
  if (words) {
    stage.state = "unsupported";
    stage.setStatus("Not supported", "bad");
    part("retry").onclick = () => location.reload();
    return stage.explain({ title: "This browser cannot show the call", words, button: "Reload" });
  }
  listen();
  firstConfig.then(adopt, () => {}); // The connection says what is wrong, and asks again.
  connection.connect();
  reloadGallery();
  setInterval(measure, METER_INTERVAL_MS);
  setInterval(reloadGallery, GALLERY_INTERVAL_MS);
}

/** The server's settings; asked for until they came once. */
async function fetchConfig() {
  if (config === null) adopt(await getConfig());
  return config;
}

function adopt(fetched) {
  config = fetched;
  mayPublish = !visit.watch && config.scopes.includes("publish");
  mayAdmin = config.scopes.includes("admin");
  upload ??= makeUpload();
  gallery.allow({ choose: mayPublish, change: mayAdmin });
  part("upload-lifetime").textContent = mayAdmin && config.upload_lifetime_s ? `Uploads are kept for ${lifetime(config.upload_lifetime_s)}` : "";
  part("controls").classList.toggle("watching", !mayPublish);
  part("manner").hidden = !mayPublish;
  part("drive-card").hidden = !mayPublish || config.max_faces === 0;
  showHint();
}

function makeUpload() {
  const dialog = new UploadDialog({ maxBytes: config.max_upload_bytes, lifetimeS: config.upload_lifetime_s });
  dialog.addEventListener("made", (event) => {
    const { avatar, isWanted } = event.detail;
    gallery.add(avatar);
    if (isWanted && mayPublish) gallery.choose(avatar);
    tell(`“${avatar.name}” is ready.`);
  });
  return dialog;
}

function listen() {
  connection.addEventListener("state", (event) => showState(event.detail));
  connection.addEventListener("joined", (event) => showJoined(event.detail));
  connection.addEventListener("stream", (event) => stage.play(event.detail));
  connection.addEventListener("message", (event) => hear(event.detail));
  connection.addEventListener("no-avatar", reloadGallery);
  connection.addEventListener("locked", unlock);

  gallery.addEventListener("choose", (event) => {
    stage.showPoster(event.detail.picture);
    connection.setAvatar(event.detail.id);
    keep("avatar", event.detail.id);
    announce(`${event.detail.name} is the avatar now.`);
  });
  gallery.addEventListener("add", () => upload?.open());
  gallery.addEventListener("deleted", (event) => tell(`“${event.detail.name}” was deleted.`));
  gallery.addEventListener("failed", (event) => warn(event.detail));

  sliders.addEventListener("change", () => connection.send(sliders.message));
  driveBy.addEventListener("change", (event) => connection.setCamera(event.detail).catch((error) => warn(error.message)));
  driveBy.addEventListener("rest", () => connection.send({ type: "face_rest" }));
  driveBy.addEventListener("failed", (event) => warn(event.detail));
  sound.addEventListener("change", showHint);
  part("start").addEventListener("click", () => (microphone ? stopTalking() : startTalking()));
  part("hang-up").addEventListener("click", hangUp);
  part("clear").addEventListener("click", interrupt);
  part("record").addEventListener("click", record);
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
    if (!mayPublish) warn("You are watching: files are not taken here.");
    else if (upload?.isOpen || kind === "picture") mayAdmin ? upload?.open(file) : warn("Your token does not allow new avatars.");
    else if (kind === "sound") speak(file);
    else warn(`“${file.name}” is neither a photo nor a sound file. Drop a JPEG, PNG, WAV, MP3 or the like.`);
  });
}

/** The server answered: this is the session, and who it shows. */
function showJoined({ session, avatar }) {
  if (visit.session === null) {
    keep("session", session);
    keep("avatar", avatar);
  }
  showAvatar(avatar);
}

/** The session shows this avatar, whoever chose it. */
function showAvatar(id) {
  gallery.show(id);
  if (gallery.chosen) stage.showPoster(gallery.chosen.picture);
}

/** The server wants a token: ask for it, and go on. */
async function unlock() {
  stage.explain({
    title: "This server asks for a token",
    words: "Whoever runs it can give you one, or a link that holds it.",
    button: "Enter the token",
  });
  if (!(await askForToken())) return;
  config = null; // It says what the token before allowed.
  connection.connect();
  reloadGallery();
}

// The call's state in words

function showState({ name, title, words, retryInS }) {
  stage.state = name;
  const live = name === "live";
  const over = name === "ended" || name === "locked";
  if (over) muteAll();
  for (const control of ["speak-file", "clear"]) part(control).disabled = !live;
  showRecord();
  part("hang-up").disabled = part("drive-face").disabled = over;
  showStart();
  if (name === "connecting" || live) stage.clear();
  if (live) {
    meter = new Meter();
    if (sliders.isChosen && mayPublish) connection.send(sliders.message);
    announce("Connected. The avatar is live.");
  } else {
    speaking = false;
    speechFile.stop();
    showMeter(null);
  }
  if (name === "ended") {
    stage.stop();
    const rest = mayPublish ? "Your microphone is off." : "You have stopped watching.";
    stage.explain({ title: "Call ended", words: rest, button: mayPublish ? "Call again" : "Watch again" });
  }
  if (name === "waiting") {
    stage.explain({ title, words, countdown: `Trying again in ${retryInS} s`, button: "Try now" });
    announce(words); // The same words again, each second, are not a change and are not read out.
  }
  showStatus();
  showHint();
}

function showStatus() {
  if (connection.state === "connecting") stage.setStatus("Connecting", "wait");
  else if (connection.state === "waiting") stage.setStatus("No connection", "bad");
  else if (connection.state === "ended") stage.setStatus("Call ended", "wait");
  else if (connection.state === "locked") stage.setStatus("Locked", "wait");
  else if (speaking) stage.setStatus("Speaking", "active");
  else if (microphone) stage.setStatus("Listening", "good");
  else stage.setStatus(mayPublish ? "Live" : "Watching", "good");
}

function showHint() {
  part("hint").textContent = hint();
  part("sample").hidden = !connection.isLive || microphone !== null || !mayPublish;
}

function hint() {
  if (!mayPublish) return sound.isOn ? "You are watching." : "You are watching. Turn the sound on to hear the avatar.";
  if (!Microphone.isPossible) return INSECURE;
  if (!microphone) return "Your microphone stays off until you press Start talking.";
  if (!sound.isOn) return "Speak: the avatar moves to your words. Its sound is off here, so nothing echoes.";
  if (sound.headphones) return "Speak: the avatar says your words.";
  return "Speak: the avatar says your words. Without headphones it may echo.";
}

/** A message from the server. */
function hear(message) {
  if (message.type === "stats") meter.hear(message);
  else if (message.type === "cleared") sound.hush();
  else if (message.type === "face") driveBy.hear(message);
  else if (message.type === "drive") {
    driveBy.stop();
    warn(String(message.error));
  } else if (message.type === "avatar") showAvatar(message.id);
  else if (message.type === "error") warn(String(message.error));
  else if (message.type === "state") {
    speaking = Boolean(message.speaking);
    showStatus();
  }
}

// Talking

async function startTalking() {
  if (isBusy(part("start"))) return;
  hideNotice();
  if (!Microphone.isPossible) return warn(INSECURE);
  if (!(await sound.settle())) return;
  const mine = ++attempt;
  setBusy(part("start"), true);
  try {
    const opened = await Microphone.open();
    if (mine !== attempt) return opened.stop();
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
    if (mine !== attempt) return;
    microphone?.stop();
    microphone = null;
    warn(error.message);
  }
  setBusy(part("start"), false);
  showTalking();
}

function stopTalking() {
  attempt++;
  setBusy(part("start"), false);
  microphone?.stop();
  microphone = null;
  connection.setMicrophone(null);
  showTalking();
}

/** Microphone and camera go off, and neither comes on that somebody is still asked for. */
function muteAll() {
  if (microphone || isBusy(part("start"))) stopTalking();
  driveBy.stop();
}

function showStart() {
  part("start").disabled = !microphone && !connection.isLive && connection.state !== "ended";
}

function showTalking() {
  const talking = microphone !== null;
  showStart();
  part("start").classList.toggle("talking", talking);
  part("start-words").textContent = talking ? "Stop talking" : "Start talking";
  setIcon(part("start").querySelector("use"), talking ? "stop" : "mic");
  announce(talking ? "The microphone is on." : "The microphone is off.");
  showStatus();
  showHint();
}

async function hangUp() {
  if (isBusy(part("hang-up"))) return;
  hideNotice();
  muteAll();
  const isRecorded = recording.isOn;
  if (isRecorded) {
    setBusy(part("hang-up"), true);
    const longEnough = new Promise((resolve) => setTimeout(resolve, RECORDING_ENDS_MS));
    await Promise.race([recording.end(connection.call?.id).catch(() => {}), longEnough]);
    setBusy(part("hang-up"), false);
  }
  connection.hangUp();
  part(mayPublish ? "start" : "retry").focus();
  if (isRecorded) await saveRecording();
}

async function record() {
  if (isBusy(part("record"))) return;
  hideNotice();
  try {
    if (!recording.isOn) {
      await recording.start(connection.call.id);
      return announce("Recording.");
    }
    await recording.end(connection.call?.id);
  } catch (error) {
    return warn(error.message);
  }
  await saveRecording();
}

async function saveRecording() {
  try {
    await recording.save();
    tell("The recording is among your downloads.");
  } catch (error) {
    warn(`The recording was not saved. ${error.message}`);
  }
  showRecord();
}

/** A recording can be saved after its call, too. */
function showRecord() {
  part("record").disabled = !connection.isLive && !recording.isOn;
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
    const before = gallery.chosen?.id;
    await gallery.load();
    const { chosen } = gallery;
    if (!chosen || chosen.id === before) return;
    stage.showPoster(chosen.picture);
    if (before !== undefined && mayPublish) connection.setAvatar(chosen.id); // The one before is gone.
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
  connection.reportStall(sample);
}
