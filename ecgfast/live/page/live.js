// The page of `ecgfast live`: draws what ecgfast/live/feed.py sends. No build step, no library.
"use strict";

const $ = (id) => document.getElementById(id);
const TOKEN = new URLSearchParams(location.search).get("token");
const MM = 96 / 25.4;            // CSS pixels of a millimetre
const TOP = 24, BOTTOM = 18;     // bands of the labels and of the times, in pixels
const FRAME_MS = 30;             // no more than about 30 pictures a second
const DEAD_MS = 6000;            // the server says something twice a second
const EVENTS = 200, HOUR = 3600;
const RANK = { high: 0, medium: 1, low: 2, info: 3 };
// Pulses of a burst, hertz, and seconds between bursts.
const SOUNDS = { high: [5, 880, 4], medium: [3, 660, 8], low: [1, 520, 16] };

// ------------------------------------------------------------------------------------- the state

const S = {
  session: null, source: "", leads: [], fs: 1, step: 1, rate: 1, size: 0,
  rings: [], head: 0, first: 0, beats: [], events: new Map(), trend: [], alarms: new Map(),
  state: null, ended: null, clock: null, offset: null, zone: "",
};
// What is shown: `at` is the point at the right edge.
const view = { at: 0, paused: false, copy: null, speed: 25, gain: "auto", mmPerMv: 10, base: [], heights: [], drawn: [] };
const link = { socket: null, ok: false, lost: null, heard: 0, wait: 500, due: Infinity, reason: "", frames: 0 };
const OWN = "connection";        // the alarm that the page itself raises

function hello(m) {
  if (m.session !== S.session) {
    Object.assign(S, {
      session: m.session, leads: m.leads, fs: m.fs || 1, step: m.step, beats: [],
      events: new Map(), state: null, clock: null, head: 0, first: 0,
    });
    S.rate = S.fs / S.step;
    S.size = m.leads.length ? Math.ceil((m.ring + 2) * S.rate) : 0;
    S.rings = m.leads.map(() => new Float32Array(S.size).fill(NaN));
    Object.assign(view, { at: 0, paused: false, copy: null, base: [], heights: [] });
    lag.length = 0;
    rows.clear();
    $("events").replaceChildren();
    showPause();
    layout();
  }
  S.source = m.source;
  Object.assign(S, { offset: m.utc_offset, zone: m.zone });
  S.trend = m.trend;
  S.ended = m.ended;
  S.events = new Map(m.events.map((e) => [e.id, e]));
  S.alarms = new Map(m.alarms.map((a) => [a.id, a]));
  addBeats(m.beats);
  $("source").textContent = m.source;
  showEvents();
  showAlarms();
  showLink();
  trendDue = true;
}

function addBeats(beats) {
  const known = new Set(S.beats.slice(-400).map((b) => b.sample));
  for (const b of beats) if (!known.has(b.sample)) S.beats.push(b);
  const oldest = (S.head - S.size) * S.step;
  while (S.beats.length > 2000 || (S.beats.length && S.beats[0].sample < oldest)) S.beats.shift();
}

// Blocks of samples, as ecgfast/live/wire.py encodes them: calls `put` for each.
function decode(buffer, put) {
  const data = new DataView(buffer);
  const leads = data.getUint8(1), blocks = data.getUint32(4, true);
  let at = 8;
  for (let k = 0; k < blocks; k++) {
    const begin = data.getFloat64(at, true), n = data.getUint32(at + 8, true);
    at += 16;
    const offset = new Float32Array(buffer, at, leads), scale = new Float32Array(buffer, at + 4 * leads, leads);
    at += 8 * leads;
    const values = [];
    for (let lead = 0; lead < leads; lead++) {
      const raw = new Int16Array(buffer, at, n), out = new Float32Array(n);
      for (let i = 0; i < n; i++) out[i] = raw[i] === -32768 ? NaN : offset[lead] + scale[lead] * raw[i];
      values.push(out);
      at += 2 * n;
    }
    at = (at + 7) & ~7;
    put(begin, n, values);
  }
}

function addSamples(begin, n, values) {
  if (values.length !== S.leads.length || begin + n <= S.head - S.size) return;
  if (!S.head) S.first = begin;
  for (let i = Math.max(S.head, begin - S.size); S.head && i < begin; i++) {
    for (const ring of S.rings) ring[i % S.size] = NaN;      // missed while not connected
  }
  S.rings.forEach((ring, lead) => {
    for (let i = 0; i < n; i++) ring[(begin + i) % S.size] = values[lead][i];
  });
  S.head = Math.max(S.head, begin + n);
}

function take(m) {
  switch (m.type) {
    case "hello": hello(m); break;
    case "beats": addBeats(m.beats); break;
    case "event": putEvent(m); break;
    case "trend": S.trend.push(m.point); while (S.trend.length > 360) S.trend.shift(); trendDue = true; break;
    case "state": S.state = m; setClock(m); showState(); sound(); break;
    case "alarm": {
      if (m.over || (m.ended !== null && m.acknowledged)) S.alarms.delete(m.id); else S.alarms.set(m.id, m);
      showAlarms();
      break;
    }
    case "end": S.ended = m.text; showLink(); break;
  }
}

// Time of day of a sample; arrival times jitter, so that only a real difference moves it.
function setClock(m) {
  if (m.utc_offset !== S.offset) {         // summer time begins or ends
    Object.assign(S, { offset: m.utc_offset, zone: m.zone });
    showEvents();
    showAlarms();
  }
  if (m.wall === null) return;
  const due = S.clock === null ? Infinity : Math.abs(wallOf(m.sample) - m.wall);
  if (due <= 0.5) return;
  S.clock = { sample: m.sample, wall: m.wall };
  showAlarms();                  // their times of day
}
const wallOf = (sample) => S.clock.wall + (sample - S.clock.sample) / S.fs;
// By the clock of a recording where one is replayed, else of the machine that writes the files: never
// in the zone of this browser, unless nothing else is known.
function timeText(wall) {
  if (wall === null || !Number.isFinite(wall)) return "";
  if (S.offset === null) return browserText(new Date(wall * 1000));
  const date = new Date((wall + S.offset) * 1000);
  return [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    .map((n) => String(n).padStart(2, "0")).join(":");
}
const browserText = (date) => date.toTimeString().slice(0, 8);
// A connection is lost now, which a clock of unknown zone does not tell.
const lostText = (date) => (S.zone ? timeText(date / 1000) : browserText(date));

// --------------------------------------------------------------------------------- the connection

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const query = TOKEN ? `?token=${encodeURIComponent(TOKEN)}` : "";
  const socket = new WebSocket(`${scheme}//${location.host}/socket${query}`);
  socket.binaryType = "arraybuffer";
  link.socket = socket;
  link.heard = performance.now();
  let opened = false;
  socket.onopen = () => { opened = true; link.refused = ""; };
  socket.onmessage = (event) => {
    if (link.socket !== socket) return;
    link.heard = performance.now();
    if (!link.ok) {
      Object.assign(link, { ok: true, lost: null, wait: 500, reason: "" });
      S.alarms.delete(OWN);
      showLink();
      showAlarms();
    }
    if (typeof event.data === "string") return take(JSON.parse(event.data));
    const before = S.head;
    decode(event.data, addSamples);
    link.frames++;
    if (S.head > before) arrived(S.head - before);
  };
  socket.onclose = (event) => {
    if (link.socket !== socket) return;
    link.socket = null;
    link.ok = false;
    link.lost = link.lost || new Date();
    link.reason = event.reason || link.refused || "";
    if (!opened) whyRefused(query);
    showLink();
    showAlarms();
    link.due = performance.now() + link.wait;
    link.wait = Math.min(5000, link.wait * 1.5);
  };
}

// A server that was started again may have another token; a refused socket does not say so.
async function whyRefused(query) {
  try {
    const answer = await fetch(`strip/0${query}`);
    if (answer.status === 403) link.refused = link.reason = (await answer.text()).trim();
    showLink();
  } catch { /* nobody is there */ }
}

function tick() {
  const socket = link.socket;
  if (!socket && performance.now() >= link.due) connect();
  if (socket && performance.now() - link.heard > DEAD_MS) {
    socket.onclose({ reason: "" });       // a close that waits for the other side may take minutes
    socket.close();
  }
  if (!link.ok && link.lost && !S.ended && Date.now() - link.lost > 5000 && !S.alarms.has(OWN)) {
    S.alarms.set(OWN, {
      id: OWN, priority: "medium", since: null, ended: null, acknowledged: false,
      text: "No connection to ecgfast: alarms do not reach this page",
    });
    showAlarms();
  }
  showLink();
  sound();
}

// Browsers run the timers of a hidden page once a minute; those of a worker stay on time.
setInterval(tick, 1000);
if (window.Worker) new Worker("tick.js").onmessage = tick;

function showLink() {
  const silent = S.state ? S.state.silent : 0;
  let text = "live", bad = false, still = "";
  if (!link.ok) {
    const since = link.lost ? ` since ${lostText(link.lost)}` : "";
    text = link.lost ? "reconnecting" : "connecting";
    bad = Boolean(link.lost);
    if (S.ended !== null) { text = "ended"; still = S.ended; }
    else if (link.lost) still = `No connection${since}${link.reason ? `: ${link.reason}` : ""}`;
  } else if (S.ended !== null) {
    text = "ended"; bad = true; still = S.ended;
  } else if (!S.leads.length) {
    text = "waiting"; still = "Waiting for the first sample";
  } else if (silent) {
    text = "no data"; bad = true; still = `No data for ${Math.round(silent)} s`;
  }
  put("link", text);
  $("link").className = bad ? "bad" : "";
  if (view.paused && text === "live") still = "";
  put("still", still);
  document.body.classList.toggle("offline", !link.ok);
  showUnlabelled();
  // What is not known now is not shown.
  if (!link.ok || S.ended !== null) {
    for (const id of ["rate", "rhythm", "quality"]) words(id, "", false);
    put("leads", "–");
  } else if (silent) words("rate", "", false);
  showTitle();
}

// ------------------------------------------------------------------------------------- the words

// A screen reader says what is written anew, though it is the same.
function put(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function words(id, text, bad) {
  put(id, text || "–");
  $(id).classList.toggle("bad", Boolean(bad));
}

function showState() {
  const m = S.state;
  const rate = m.rate === null || m.silent || S.ended !== null ? "–" : String(Math.round(m.rate));
  words("rate", rate, false);
  words("rhythm", m.rhythm, m.rhythm && m.rhythm !== "no event" && m.rhythm !== "no beat yet");
  words("quality", m.quality, m.quality && m.quality !== "good" && m.quality !== "learning");
  const rows = S.leads.map((name, i) => {
    const row = document.createElement("li"), what = m.leads[i];
    row.className = what ? "bad" : "";
    row.append(span("", name), span("", what || "on"));
    return row;
  });
  const old = $("leads").children;
  if (old.length !== rows.length || rows.some((row, i) => !row.isEqualNode(old[i]))) $("leads").replaceChildren(...rows);
  showLink();
}

// All that is seen of a tab in the background.
function showTitle() {
  const worst = alarmsNow()[0], link = $("link").textContent;
  const now = link === "live" ? $("rate").textContent : link;
  document.title = worst && !worst.acknowledged ? `⚠ ${worst.text}` : `${now} · ${S.source || "ecgfast live"}`;
}

function span(kind, text) {
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = text;
  return element;
}

// ------------------------------------------------------------------------------------- the alarms

// Those that nobody has acknowledged first, and of these the most urgent.
function alarmsNow() {
  const order = (a) => (a.acknowledged ? 10 : 0) + (RANK[a.priority] ?? 3);
  return [...S.alarms.values()].sort((a, b) => order(a) - order(b));
}

const alarmRows = new Map();   // by id: { row, name, when, button }

// A row stays the same element while its alarm is shown: a click or the focus on it is not lost,
// and a screen reader says what is new alone.
function showAlarms() {
  const shown = alarmsNow(), place = $("alarms");
  const hadFocus = place.contains(document.activeElement);
  for (const [id, { row }] of alarmRows) {
    if (!S.alarms.has(id)) { row.remove(); alarmRows.delete(id); }
  }
  shown.forEach((a, i) => {
    if (!alarmRows.has(a.id)) alarmRows.set(a.id, newAlarmRow(a.id));
    const { row } = fillAlarmRow(alarmRows.get(a.id), a);
    if (place.children[i] !== row) place.insertBefore(row, place.children[i] || null);
  });
  // Not on the next button: a key that is held would acknowledge all of them.
  if (hadFocus && !place.contains(document.activeElement)) place.focus();
  showTitle();
  layout();
  sound();
}

function newAlarmRow(id) {
  const row = document.createElement("div"), button = document.createElement("button");
  const name = document.createElement("b"), when = span("when", "");
  row.dataset.id = id;
  button.type = "button";
  button.textContent = "Acknowledge";
  button.onclick = () => { if (S.alarms.has(id)) acknowledge(S.alarms.get(id)); };
  row.append(name, when);
  return { row, name, when, button };
}

function fillAlarmRow(found, a) {
  const { row, name, when, button } = found;
  row.className = `alarm ${RANK[a.priority] === undefined ? "low" : a.priority}${a.acknowledged ? " seen" : ""}`;
  const parts = [];
  if (a.since !== null && a.since !== undefined) parts.push(`since ${whenText(a.since)}`);
  if (a.ended !== null && a.ended !== undefined) parts.push(`ended ${whenText(a.ended)}`);
  if (a.acknowledged) parts.push("acknowledged");
  if (name.textContent !== a.text) name.textContent = a.text;
  if (when.textContent !== parts.join(", ")) when.textContent = parts.join(", ");
  button.setAttribute("aria-label", `Acknowledge: ${a.text}`);
  button.disabled = !link.ok && a.id !== OWN;      // nobody would hear of it
  if (a.acknowledged) button.remove();
  else if (button.parentNode !== row) row.append(button);
  return found;
}

// Not an alarm, and not to be acknowledged: it is there while it is so.
function showUnlabelled() {
  const text = link.ok && S.ended === null && S.state && !S.state.silent ? S.state.unlabelled : "";
  if ($("unlabelled").textContent === text) return;
  $("unlabelled").textContent = text;
  $("unlabelled").hidden = !text;
  layout();
}

// A time may be stated as text, as seconds since 1970, or as seconds of the stream.
function whenText(value) {
  if (typeof value === "string") {
    const date = new Date(value);
    return Number.isNaN(date.getTime()) ? value : timeText(date / 1000);
  }
  if (typeof value !== "number") return "";
  if (value > 1e8) return timeText(value);
  return S.clock ? timeText(wallOf(value * S.fs)) : `${value.toFixed(1)} s`;
}

function acknowledge(a) {
  if (a.id === OWN) { a.acknowledged = true; showAlarms(); return; }
  if (link.ok) link.socket.send(JSON.stringify({ type: "acknowledge", id: a.id }));
}

// -------------------------------------------------------------------------------------- the sound

const audio = { context: null, on: load("sound") !== "off", next: 0, bursts: 0 };

function load(name) { try { return localStorage.getItem(`ecgfast.${name}`); } catch { return null; } }
function save(name, value) { try { localStorage.setItem(`ecgfast.${name}`, value); } catch { /* private window */ } }

// Browsers let a page sound only once somebody has touched it.
function wake() {
  if (!audio.on) return;
  const Context = window.AudioContext || window.webkitAudioContext;
  if (!audio.context && Context) audio.context = new Context();
  if (audio.context && audio.context.state === "suspended") audio.context.resume().then(showSound, showSound);
  showSound();
}

function showSound() {
  const able = audio.on && audio.context && audio.context.state === "running";
  $("sound").textContent = able ? "Sound on" : audio.on ? "Turn sound on" : "Sound off";
  $("sound").classList.toggle("off", !able);
}

function sound() {
  const due = alarmsNow().find((a) => !a.acknowledged);
  if (!due) { audio.next = 0; return; }
  const [pulses, hertz, every] = SOUNDS[due.priority] || SOUNDS.low;
  const now = performance.now() / 1000;
  if (audio.next > now + every) audio.next = 0;        // a more urgent one does not wait
  if (!audio.on || now < audio.next) return;
  audio.next = now + every;
  audio.bursts++;
  const context = audio.context;
  if (!context || context.state !== "running") return;
  for (let i = 0; i < pulses; i++) {
    const from = context.currentTime + 0.05 + 0.25 * i + (i > 2 ? 0.25 : 0);
    const tone = context.createOscillator(), volume = context.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, from);
    volume.gain.linearRampToValueAtTime(0.35, from + 0.02);
    volume.gain.setValueAtTime(0.35, from + 0.14);
    volume.gain.linearRampToValueAtTime(0, from + 0.17);
    tone.connect(volume).connect(context.destination);
    tone.start(from);
    tone.stop(from + 0.2);
  }
}

$("sound").onclick = () => {
  if (audio.on && audio.context && audio.context.state === "running") audio.on = false;
  else audio.on = true;
  save("sound", audio.on ? "on" : "off");
  if (audio.on) wake();
  showSound();
};
for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, (event) => { if (event.target !== $("sound")) wake(); });
}

// ------------------------------------------------------------------------------------- the events

const rows = new Map();        // by id: { item, button, strip, redraw }

function putEvent(e) {
  S.events.set(e.id, e);
  while (S.events.size > EVENTS) {
    const oldest = S.events.keys().next().value;
    S.events.delete(oldest);
    rows.get(oldest)?.item.remove();
    rows.delete(oldest);
  }
  showEvent(e);
  counted();
  trendDue = true;
}

function showEvents() {
  for (const [id, row] of rows) {
    if (!S.events.has(id)) { row.item.remove(); rows.delete(id); }
  }
  for (const e of S.events.values()) showEvent(e);
  counted();
}

function counted() {
  $("count").textContent = S.events.size ? `${S.events.size}; click one for its strip` : "";
  if (!S.events.size) {
    const none = document.createElement("li");
    none.className = "none";
    none.textContent = "none yet";
    $("events").replaceChildren(none);
  } else $("events").querySelector(".none")?.remove();
}

function showEvent(e) {
  let row = rows.get(e.id);
  if (!row) {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.onclick = () => toggleStrip(e.id);
    item.append(button);
    $("events").prepend(item);
    row = { item, button, strip: null, redraw: null };
    rows.set(e.id, row);
  }
  const seconds = (e.end - e.start) / S.fs;
  const more = [];
  if (e.ongoing) more.push("now");
  else if (seconds >= 0.05) more.push(`${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`);
  if (e.rate) more.push(`${Math.round(e.rate)}/min`);
  row.item.className = e.severity;
  row.button.replaceChildren(
    span("time", timeText(e.wall)),
    span("what", e.text + (e.lead && S.leads.length > 1 ? ` (${e.lead})` : "")),
    span("more", more.join(", ")),
  );
}

async function toggleStrip(id) {
  const row = rows.get(id);
  row.button.setAttribute("aria-expanded", String(!row.strip));
  if (row.strip) { row.strip.remove(); row.strip = row.redraw = null; return; }
  const box = document.createElement("div");
  box.className = "strip";
  box.textContent = "…";
  row.item.append(box);
  row.strip = box;
  try {
    const query = TOKEN ? `?token=${encodeURIComponent(TOKEN)}` : "";
    const answer = await fetch(`strip/${id}${query}`);
    if (!answer.ok) throw new Error(await answer.text());
    const strip = await answer.json();
    const bytes = Uint8Array.from(atob(strip.data), (c) => c.charCodeAt(0));
    const n = strip.end - strip.begin;
    const signal = strip.leads.map(() => new Float32Array(n).fill(NaN));
    decode(bytes.buffer, (begin, _, values) => values.forEach((v, lead) => signal[lead].set(v, begin - strip.begin)));
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Strip: ${row.button.querySelector(".what").textContent}`);
    box.replaceChildren(canvas);
    row.redraw = () => drawStrip(canvas, strip, signal);
    row.redraw();
    if (!strip.whole) box.append("The strip is not complete yet: open it again in some seconds.");
  } catch (error) {
    box.textContent = `The strip cannot be shown: ${error.message}`;
  }
}

// ------------------------------------------------------------------------------------ the drawing

let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "quiet", "line", "paper", "fine", "coarse", "wave", "lost", "N", "S", "V", "F", "Q",
    "band", "blue", "high", "medium", "low", "card"]) colours[name] = style.getPropertyValue(`--${name}`).trim();
}

function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// Lines every millimetre, stronger every five.
function drawGrid(context, width, height, left = 0) {
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, width, height);
  for (const [every, colour] of [[1, colours.fine], [5, colours.coarse]]) {
    context.beginPath();
    for (let i = 0, x = left; x <= width; i++, x = left + i * every * MM) {
      if (every === 1 && i % 5 === 0) continue;
      context.moveTo(x, 0);
      context.lineTo(x, height);
    }
    for (let i = 0, y = TOP; y <= height; i++, y = TOP + i * every * MM) {
      if (every === 1 && i % 5 === 0) continue;
      context.moveTo(0, y);
      context.lineTo(width, y);
    }
    context.strokeStyle = colour;
    context.lineWidth = every === 1 ? 0.7 : 1;
    context.stroke();
  }
}

const size = { width: 0, height: 0, lane: 0, dark: null, leads: 0 };
let pen = null, gridContext = null;

function laneHeight(leads) {
  const mm = leads <= 1 ? 50 : leads === 2 ? 40 : leads <= 4 ? 25 : 18;
  const room = (0.62 * window.innerHeight - TOP - BOTTOM) / Math.max(1, leads);
  return Math.max(14 * MM, Math.min(mm * MM, room));
}

function layout() {
  const leads = Math.max(1, S.leads.length), lane = laneHeight(leads);
  const width = $("paper").clientWidth, height = Math.round(TOP + BOTTOM + leads * lane);
  const dark = document.documentElement.dataset.theme === "dark";
  const ratio = window.devicePixelRatio;
  if (size.width === width && size.height === height && size.dark === dark && size.leads === leads && size.ratio === ratio) return;
  Object.assign(size, { width, height, lane: (height - TOP - BOTTOM) / leads, dark, leads, ratio });
  readColours();
  $("paper").style.height = `${height}px`;
  gridContext = sized($("grid"), width + 5 * MM, height);
  drawGrid(gridContext, width + 5 * MM, height);
  pen = sized($("trace"), width, height);
  trendDue = true;
  draw();
}

// Typical level of a lead, its lowest and its highest point over the last seconds, as the baseline
// wanders. Seconds with an artefact or a step, of three times the usual height, are left out.
function levels(get, begin, end, rate) {
  const second = Math.max(2, Math.round(rate)), found = [];
  for (let from = end - second; from >= begin && found.length < 8; from -= second) {
    let low = Infinity, high = -Infinity, sum = 0, n = 0;
    for (let i = from; i < from + second; i++) {
      const v = get(i);
      if (v !== v) continue;
      if (v < low) low = v;
      if (v > high) high = v;
      sum += v; n++;
    }
    if (n > second / 2) found.push({ mean: sum / n, low, high });
  }
  if (!found.length) return null;
  const median = (x) => x.sort((a, b) => a - b)[x.length >> 1];
  const middle = median(found.map((f) => f.mean)), most = 3 * median(found.map((f) => f.high - f.low));
  const usual = found.filter((f) => f.high - f.low <= most && Math.abs(f.mean - middle) <= most);
  const used = usual.length ? usual : found;
  return {
    middle, low: Math.min(...used.map((f) => f.low)), high: Math.max(...used.map((f) => f.high)),
  };
}

// The level that stands in the middle of a lead's lane: moved where its highest or lowest points
// would be cut.
function inLane(level, found, lane, gain) {
  const half = lane / 2 / (gain * MM), least = found.high - half, most = found.low + half;
  return least <= most ? Math.min(most, Math.max(least, level)) : level;
}

function chosenGain(heights, lane, now) {
  if (view.gain !== "auto") return Number(view.gain);
  const most = Math.max(...heights), room = lane / MM;
  if (!(most > 0) || !Number.isFinite(most)) return now;
  const fits = (gain) => gain * most <= room && gain * most >= 3;
  if (fits(10)) return 10;
  if (fits(now)) return now;
  const exact = 0.7 * room / most, power = 10 ** Math.floor(Math.log10(exact));
  return power * (exact / power >= 5 ? 5 : exact / power >= 2 ? 2 : 1);
}

// Height of a lead, and no less than its beats had when there were some: a standstill, or a lead that
// is off, is not drawn as large as beats are.
function heightOf(lead, found) {
  return Math.max(found ? found.high - found.low : 0, view.heights[lead] || 0);
}

function learnHeights(get, beats, oldest, end, rate) {
  let at = end;
  if (!isBeating(beats, end, rate)) {
    // A page that is opened in a standstill takes the beats before it.
    if (view.heights.length || !beats.length) return;
    at = Math.min(end, Math.ceil(beats[beats.length - 1].sample / S.step + rate / 2));
    if (!isBeating(beats, at, rate)) return;
  }
  get.forEach((one, lead) => {
    const found = levels(one, Math.max(oldest, at - 8 * rate), at, rate);
    if (found && found.high > found.low) view.heights[lead] = found.high - found.low;
  });
}

// Whether there are beats in half of the last eight seconds.
function isBeating(beats, end, rate) {
  const seconds = new Set();
  for (const b of beats) {
    const ago = (end - b.sample / S.step) / rate;
    if (ago >= 0 && ago < 8) seconds.add(Math.floor(ago));
  }
  return seconds.size >= 4;
}

// One lead's trace; `x` gives the place of a point. Missing samples break the line and are shaded.
function drawLead(context, get, begin, end, x, middle, lane, base, pxPerMv) {
  const top = middle - lane / 2, limit = 0.75 * lane;
  context.save();
  context.beginPath();
  context.rect(0, Math.max(TOP - 2, middle - limit), context.canvas.width, 2 * limit);
  context.clip();
  context.beginPath();
  let drawing = false, lost = -1;
  const gaps = [];
  for (let i = begin; i < end; i++) {
    const v = get(i);
    if (v !== v) {
      if (lost < 0) lost = i;
      drawing = false;
      continue;
    }
    if (lost >= 0) { gaps.push([lost, i]); lost = -1; }
    const y = middle - Math.max(-2 * limit, Math.min(2 * limit, (v - base) * pxPerMv));
    if (drawing) context.lineTo(x(i), y); else context.moveTo(x(i), y);
    drawing = true;
  }
  if (lost >= 0) gaps.push([lost, end]);
  context.strokeStyle = colours.wave;
  context.lineWidth = 1.4;
  context.lineJoin = "round";
  context.stroke();
  for (const [from, to] of gaps) {
    const left = x(from), right = x(to);
    context.globalAlpha = 0.16;
    context.fillStyle = colours.lost;
    context.fillRect(left, top, right - left, lane);
    context.globalAlpha = 1;
    if (right - left > 70) {
      context.fillStyle = colours.quiet;
      context.font = "12px system-ui, sans-serif";
      context.textAlign = "center";
      context.fillText("no data", (Math.max(0, left) + right) / 2, middle);
    }
  }
  context.restore();
}

function drawLabels(context, beats, step, x, width) {
  const drawn = [];
  context.textAlign = "center";
  for (const b of beats) {
    const at = x(b.sample / step);
    if (at < -10 || at > width + 10) continue;
    const colour = colours[b.label] || colours.Q, plain = b.label === "N";
    context.fillStyle = colour;
    context.font = plain ? "12px system-ui, sans-serif" : "bold 15px system-ui, sans-serif";
    context.fillText(b.label || "•", at, 14);
    context.fillRect(at - 0.5, 17, 1, 5);
    drawn.push({ sample: b.sample, label: b.label, x: at });
  }
  return drawn;
}

function drawNames(context, names, lane) {
  context.textAlign = "left";
  context.font = "bold 12px system-ui, sans-serif";
  names.forEach((name, i) => {
    const y = TOP + i * lane + 14, wide = context.measureText(name).width;
    context.globalAlpha = 0.75;
    context.fillStyle = colours.paper;
    context.fillRect(2, y - 12, wide + 6, 16);
    context.globalAlpha = 1;
    context.fillStyle = colours.ink;
    context.fillText(name, 5, y);
  });
}

let levelsAt = 0;

function draw() {
  if (!pen || !size.width) return;
  const { width, height, lane } = size, rate = S.rate;
  pen.clearRect(0, 0, width, height);
  view.drawn = [];
  if (!S.leads.length || !S.head) return;
  const source = view.copy || S;
  const perPoint = view.speed * MM / rate, at = view.at;
  const x = (i) => width - (at - i) * perPoint;
  const oldest = Math.max(source.first, source.head - S.size + Math.ceil(2 * rate));
  const end = Math.min(source.head, Math.ceil(at) + 1);
  const begin = Math.max(oldest, Math.floor(at - width / perPoint) - 1);
  const shift = (((-at * perPoint + width) % (5 * MM)) + 5 * MM) % (5 * MM);
  const ratio = window.devicePixelRatio || 1;
  $("grid").style.transform = `translateX(${Math.round((shift - 5 * MM) * ratio) / ratio}px)`;

  const now = performance.now();
  const get = S.leads.map((_, lead) => { const ring = source.rings[lead]; return (i) => ring[i % S.size]; });
  if (now - levelsAt > 500 || view.base.length !== S.leads.length) {
    levelsAt = now;
    const found = S.leads.map((_, lead) => levels(get[lead], Math.max(oldest, end - 8 * rate), end, rate));
    learnHeights(get, source.beats, oldest, end, rate);
    const heights = found.map((f, lead) => heightOf(lead, f)).filter(Boolean);
    if (heights.length) view.mmPerMv = chosenGain(heights, lane, view.mmPerMv);
    found.forEach((f, lead) => {
      if (!f) return;
      const old = view.base[lead];
      const far = old === undefined || Math.abs(f.middle - old) * view.mmPerMv * MM > lane / 3;
      view.base[lead] = inLane(far ? f.middle : old + 0.15 * (f.middle - old), f, lane, view.mmPerMv);
    });
    for (let lead = 0; lead < S.leads.length; lead++) {
      if (view.base[lead] === undefined) {
        let first = NaN;
        for (let i = begin; i < end && first !== first; i++) first = get[lead](i);
        if (first === first) view.base[lead] = first;
      }
    }
  }
  drawSpans(x, width);
  S.leads.forEach((_, lead) => {
    drawLead(pen, get[lead], begin, end, x, TOP + (lead + 0.5) * lane, lane, view.base[lead] ?? 0, view.mmPerMv * MM);
  });
  view.drawn = drawLabels(pen, source.beats, S.step, x, width);
  drawNames(pen, S.leads, lane);
  drawTimes(x, begin, end, rate, height, width);
}

// Events of the signal shown, as bars between labels and paper.
function drawSpans(x, width) {
  for (const e of S.events.values()) {
    if (e.severity === "info" || e.kind === "note") continue;
    const left = x(e.start / S.step), right = e.ongoing ? width : x(e.end / S.step);
    if (right < 0 || left > width) continue;
    pen.globalAlpha = 0.85;
    pen.fillStyle = colours[e.severity];
    pen.fillRect(left, TOP - 2, Math.max(3, right - left), 3);
    pen.globalAlpha = 1;
  }
}

function drawTimes(x, begin, end, rate, height, width) {
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = colours.quiet;
  pen.textAlign = "center";
  const gain = view.mmPerMv, digits = gain >= 1 ? 4 : 2;
  const unusual = gain > 100 || gain < 1 ? " (samples in mV?)" : "";
  const scale = `${view.speed} mm/s  ${Number(gain.toPrecision(digits))} mm/mV${unusual}`;
  const room = width - 34 - pen.measureText(scale).width;
  const every = view.speed < 20 ? 2 : 1;
  const offset = S.clock ? (wallOf(0) % 60 + 60) % 60 : 0;
  for (let second = Math.ceil(begin / rate + offset); second <= end / rate + offset; second++) {
    if (second % every) continue;
    const at = x((second - offset) * rate);
    pen.fillRect(at, height - BOTTOM, 1, 4);
    const wall = S.clock ? timeText(wallOf((second - offset) * S.fs) + 0.01) : `${second} s`;
    if (at > 30 && at < room) pen.fillText(wall, at, height - 4);
  }
  pen.textAlign = "right";
  pen.fillText(scale, width - 4, height - 4);
}

function drawStrip(canvas, strip, signal) {
  const rate = strip.fs / strip.step, n = strip.end - strip.begin;
  const x = (i) => (i - strip.begin) / rate * 25 * MM;
  const gets = signal.map((values) => (i) => values[i - strip.begin]);
  const found = gets.map((get) => levels(get, strip.begin, strip.end, rate));
  const heights = found.map((f, lead) => heightOf(lead, f)).filter(Boolean);
  const gain = heights.length ? chosenGain(heights, 22 * MM, view.mmPerMv) : 10;
  // As high as the largest beat asks for, within reason.
  let most = 0;
  signal.forEach((values, lead) => {
    if (found[lead]) for (const v of values) if (v === v) most = Math.max(most, Math.abs(v - found[lead].middle));
  });
  const lane = MM * Math.max(22, Math.min(50, 200 / strip.leads.length, 2.1 * most * gain));
  const width = Math.max(60, n / rate * 25 * MM), height = TOP + strip.leads.length * lane;
  const context = sized(canvas, width, height);
  drawGrid(context, width, height);
  gets.forEach((get, lead) => {
    const base = found[lead] ? inLane(found[lead].middle, found[lead], lane, gain) : 0;
    drawLead(context, get, strip.begin, strip.end, x, TOP + (lead + 0.5) * lane, lane, base, gain * MM);
  });
  drawLabels(context, strip.beats, strip.step, x, width);
  drawNames(context, strip.leads, lane);
}

// ------------------------------------------------------------------------------------- the motion

const lag = [];        // seconds between the last arrivals of samples
let lastArrival = 0, lastFrame = 0;

function arrived() {
  const now = performance.now();
  if (lastArrival) lag.push(Math.min(2, (now - lastArrival) / 1000));
  if (lag.length > 60) lag.shift();
  lastArrival = now;
}

// The picture moves evenly, a little behind the newest sample: devices send in bursts.
function move(seconds) {
  if (view.paused) return;
  const rate = S.rate, behind = Math.min(2.5, 0.05 + 1.1 * Math.max(0, ...lag));
  const due = S.head - behind * rate;
  const off = due - view.at;
  if (!link.ok || Math.abs(off) > 3 * rate) { view.at = link.ok ? due : view.at; return; }
  view.at += seconds * rate + off * Math.min(1, 1.5 * seconds);
  const idle = (performance.now() - lastArrival) / 1000;
  if (view.at > S.head || idle > behind + 0.5) view.at = Math.min(S.head, view.at);
}

let trendDue = true;

function frame(now) {
  requestAnimationFrame(frame);
  if (now - lastFrame < FRAME_MS) return;
  const seconds = Math.min(0.25, (now - lastFrame) / 1000);
  lastFrame = now;
  move(seconds);
  draw();
  if (S.clock) $("clock").textContent = `${timeText(wallOf(view.at * S.step))} ${S.zone || "(recording's clock)"}`;
  if (trendDue) { trendDue = false; drawTrend(); }
}

// --------------------------------------------------------------------------------------- the hour

let trendGeometry = null;

function drawTrend() {
  const width = $("hour").clientWidth - 2, height = 130;
  if (width < 20) return;
  readColours();
  const context = sized($("trend"), width, height);
  const last = S.trend.length ? S.trend[S.trend.length - 1][0] + 10 : 0;
  const shown = Math.max(600, Math.min(HOUR, Math.ceil((last - (S.trend[0]?.[0] ?? 0)) / 600) * 600));
  const left = 34, right = width - 8, bottom = height - 30, top = 8;
  const points = S.trend.filter((p) => p[0] >= last - shown);
  const values = points.flatMap((p) => [p[2], p[3]]).filter((v) => v !== null).sort((a, b) => a - b);
  const low = Math.min(50, Math.floor((values[Math.floor(values.length * 0.01)] ?? 50) / 10) * 10);
  const high = Math.max(110, Math.ceil((values[Math.floor(values.length * 0.99)] ?? 110) / 10) * 10);
  const x = (t) => right - (last - t) / shown * (right - left);
  const y = (v) => bottom - (Math.max(low, Math.min(high, v)) - low) / (high - low) * (bottom - top);
  trendGeometry = { x, left, right, last, shown };
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  const step = high - low > 150 ? 50 : 20;
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
    context.fillStyle = colours.line;
    context.fillRect(left, y(v), right - left, 1);
    context.fillStyle = colours.quiet;
    context.fillText(String(v), left - 5, y(v) + 4);
  }
  context.textAlign = "center";
  for (let minutes = 0; minutes <= shown / 60; minutes += shown > 1800 ? 10 : 5) {
    context.fillText(minutes ? `−${minutes} min` : "now", Math.min(right - 12, Math.max(left + 16, x(last - 60 * minutes))), height - 4);
  }
  context.fillStyle = colours.band;
  for (const p of points) if (p[2] !== null) context.fillRect(x(p[0]), y(p[3]), Math.max(1, x(p[0] + 10) - x(p[0])), Math.max(1, y(p[2]) - y(p[3])));
  context.strokeStyle = colours.blue;
  context.lineWidth = 1.6;
  context.beginPath();
  let drawing = false;
  for (const p of points) {
    if (p[1] === null) { drawing = false; continue; }
    if (drawing) context.lineTo(x(p[0] + 5), y(p[1])); else context.moveTo(x(p[0] + 5) - 1, y(p[1]));
    context.lineTo(x(p[0] + 5), y(p[1]));
    drawing = true;
  }
  context.stroke();
  for (const e of S.events.values()) {
    if (e.severity === "info" || e.kind === "note") continue;
    const from = x(e.start / S.fs), to = e.ongoing ? right : x(e.end / S.fs);
    if (to < left) continue;
    context.fillStyle = colours[e.severity];
    context.fillRect(Math.max(left, from), bottom + 4, Math.max(2, to - Math.max(left, from)), 5);
  }
  context.fillStyle = colours.V;
  for (const p of points) {
    if (p[5]) context.fillRect(x(p[0]), bottom - Math.min(24, 3 * p[5]), Math.max(1.5, x(p[0] + 10) - x(p[0]) - 1), Math.min(24, 3 * p[5]));
  }
}

$("trend").addEventListener("pointermove", (event) => {
  if (!trendGeometry) return;
  const { left, right, last, shown } = trendGeometry;
  const t = last - (right - event.offsetX) / (right - left) * shown;
  const p = S.trend.find((q) => t >= q[0] && t < q[0] + 10);
  if (!p) { $("readout").textContent = ""; return; }
  const time = S.clock ? timeText(wallOf(p[0] * S.fs)) : `${p[0]} s`;
  const rate = p[1] === null ? "no rate" : `${Math.round(p[1])} per minute (${Math.round(p[2])} to ${Math.round(p[3])})`;
  $("readout").textContent = `${time}: ${rate}${p[5] ? `, ${p[5]} V` : ""}${p[6] ? `, ${p[6]} S` : ""}`;
});
$("trend").addEventListener("pointerleave", () => { $("readout").textContent = ""; });

// ----------------------------------------------------------------------------------- pause, scroll

function setPaused(paused) {
  if (paused === view.paused) return;
  view.paused = paused;
  // A copy: the ring is still written to, and what is looked at must stay.
  view.copy = paused ? { rings: S.rings.map((r) => r.slice()), head: S.head, first: S.first, beats: S.beats.slice() } : null;
  if (!paused) view.at = S.head;
  showPause();
}

function showPause() {
  $("pause").setAttribute("aria-pressed", String(view.paused));
  $("pause").textContent = view.paused ? "Paused" : "Pause";
  $("back").hidden = !view.paused;
  if (view.paused) scrollTo(view.at);
  showLink();
}

function scrollTo(point) {
  const head = view.copy.head, span = size.width / (view.speed * MM) * S.rate;
  const oldest = Math.max(view.copy.first, head - S.size + Math.ceil(2 * S.rate));
  view.at = Math.max(Math.min(head, oldest + span), Math.min(head, point));
  const seconds = (view.at - head) / S.rate;
  $("scroll").min = String(Math.min(-1, ((oldest + span) - head) / S.rate));
  $("scroll").value = String(seconds);
  $("ago").textContent = `${Math.abs(seconds).toFixed(1)} s before the pause`;
}

$("pause").onclick = () => setPaused(!view.paused);
$("resume").onclick = () => setPaused(false);
$("scroll").oninput = () => scrollTo(view.copy.head + Number($("scroll").value) * S.rate);
document.addEventListener("keydown", (event) => {
  if (event.code !== "Space" || /^(BUTTON|SELECT|INPUT)$/.test(event.target.tagName)) return;
  event.preventDefault();
  setPaused(!view.paused);
});

let drag = null;
$("paper").addEventListener("pointerdown", (event) => {
  if (!S.leads.length) return;
  drag = { x: event.clientX, at: view.at };
  $("paper").setPointerCapture(event.pointerId);
});
$("paper").addEventListener("pointermove", (event) => {
  if (!drag) return;
  const dx = event.clientX - drag.x;
  if (!view.paused && Math.abs(dx) < 6) return;
  setPaused(true);
  scrollTo(drag.at - dx / (view.speed * MM) * S.rate);
});
for (const kind of ["pointerup", "pointercancel"]) $("paper").addEventListener(kind, () => { drag = null; });

// ------------------------------------------------------------------------------------ the settings

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  layout();
  for (const row of rows.values()) if (row.redraw) row.redraw();
  trendDue = true;
}
const system = matchMedia("(prefers-color-scheme: dark)");
const theme = () => load("theme") || (system.matches ? "dark" : "light");
system.addEventListener("change", () => setTheme(theme()));
$("theme").onclick = () => {
  const other = theme() === "dark" ? "light" : "dark";
  save("theme", other);
  setTheme(other);
};
$("speed").value = load("speed") || "25";
$("speed").onchange = () => { view.speed = Number($("speed").value); save("speed", $("speed").value); if (view.paused) scrollTo(view.at); };
$("gain").onchange = () => { view.gain = $("gain").value; if (view.gain !== "auto") view.mmPerMv = Number(view.gain); };
view.speed = Number($("speed").value) || 25;

new ResizeObserver(layout).observe($("paper"));
new ResizeObserver(() => { trendDue = true; }).observe($("hour"));
window.addEventListener("resize", layout);
for (const kind of ["online", "focus"]) window.addEventListener(kind, () => { link.wait = 500; link.due = Math.min(link.due, performance.now()); });

setTheme(theme());
showSound();
wake();
connect();
requestAnimationFrame(frame);

// For tests and for the curious.
window.ecgfast = { S, view, link, audio, size, draw };
