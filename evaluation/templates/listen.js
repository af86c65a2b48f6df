const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const make = (name, properties, parent) => { const made = Object.assign(document.createElement(name), properties); parent.append(made); return made; };

const KEYS = "123456789abc";  // of the versions of a trial

// Numbers from 0 to 1 that depend on a text alone: FNV-1a, then xorshift.
function draws(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  state ||= 1;
  return () => {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

function shuffled(list, draw) {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

// One player: all versions of a trial are decoded, one is heard, at a place they share.
const player = {
  context: null, buffers: {}, source: null, current: null, started: 0, offset: 0,
  async load(names) {
    this.stop();
    this.offset = 0;
    this.current = null;
    this.context ??= new AudioContext();
    const decode = (name) => {
      const bytes = Uint8Array.from(atob(at(`s${name}`).textContent), (c) => c.charCodeAt(0));
      return this.context.decodeAudioData(bytes.buffer);
    };
    this.buffers = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await decode(name)])));
  },
  place() {
    return this.source ? (this.offset + this.context.currentTime - this.started) % this.source.buffer.duration : this.offset;
  },
  play(name) {
    const buffer = this.buffers[name];
    this.context.resume();
    this.stop();
    this.source = this.context.createBufferSource();
    this.source.buffer = buffer;
    this.source.loop = true;
    this.source.connect(this.context.destination);
    this.offset %= buffer.duration;
    this.source.start(0, this.offset);
    this.started = this.context.currentTime;
    this.current = name;
  },
  stop() {
    this.offset = this.place();
    this.source?.stop();
    this.source = null;
  },
};

let assessor, order, place, answers, trial, began;
const storage = () => `listening ${data.page} ${assessor}`;

function remember() {
  try { localStorage.setItem(storage(), JSON.stringify({place, answers, began})); }
  catch { /* A browser that keeps nothing: a reload begins again. */ }
}

function remembered() {
  try { return JSON.parse(localStorage.getItem(storage())); }
  catch { return null; }
}

at("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  assessor = event.target.assessor.value.trim();
  if (!assessor) return;
  order = shuffled(data.trials, draws(`${data.seed} ${assessor}`));
  ({place, answers, began} = remembered() ?? {place: 0, answers: {}, began: new Date().toISOString()});
  at("start").hidden = true;
  show();
});

async function show() {
  if (place >= order.length) return finish();
  const given = order[place];
  const letters = data.test === "mushra" ? given.stimuli.map((_, i) => String(i + 1)) : ["A", "B"];
  const stimuli = shuffled(given.stimuli, draws(`${data.seed} ${assessor} ${given.id}`));
  trial = {id: given.id, stimuli, heard: new Set(), rated: {}, choice: undefined, buttons: {}, keys: {}};
  at("trial").hidden = false;
  at("count").textContent = `Page ${place + 1} of ${order.length}`;
  at("players").replaceChildren();
  if (given.reference) addPlayer(given.reference, "Reference", "0");
  if (data.test === "mushra") {
    const scale = make("div", {className: "row scale"}, at("players"));
    make("span", {}, scale);
    const words = make("div", {}, scale);
    for (const word of ["bad", "poor", "fair", "good", "excellent"]) make("span", {textContent: word}, words);
  }
  stimuli.forEach((name, i) => addPlayer(name, data.test === "mushra" ? `Version ${letters[i]}` : letters[i], KEYS[i], data.test === "mushra"));
  if (given.x) addPlayer(given.x, "X", "3");
  if (data.test !== "mushra") addChoices(stimuli);
  check();  // before anything is awaited: Next is for this page from here on
  await player.load(Object.keys(trial.buttons));
  at("players").querySelector("button").focus();
}

function addPlayer(name, label, key, slider) {
  const row = make("div", {className: "row"}, at("players"));
  const button = make("button", {type: "button", textContent: `▶ ${label}`, ariaPressed: "false"}, row);
  button.setAttribute("aria-keyshortcuts", key);
  button.addEventListener("click", () => hear(name));
  trial.buttons[name] = button;
  trial.keys[key] = name;
  if (!slider) return;
  const range = make("input", {type: "range", min: 0, max: 100, step: 1, value: 50, ariaLabel: `Rating of ${label.toLowerCase()}`}, row);
  const shown = make("output", {textContent: "–"}, row);
  const rate = () => { trial.rated[name] = Number(range.value); shown.textContent = range.value; range.className = "rated"; check(); };
  range.addEventListener("input", rate);
  range.addEventListener("click", rate);
  button.slider = range;
}

function addChoices(stimuli) {
  const row = make("div", {className: "choices"}, at("players"));
  const choices = data.test === "ab"
    ? [["A is better", stimuli[0], "a"], ["B is better", stimuli[1], "b"], ["No preference", null, "n"]]
    : [["X is A", stimuli[0], "a"], ["X is B", stimuli[1], "b"]];
  for (const [text, name, key] of choices) {
    const button = make("button", {type: "button", textContent: text, ariaPressed: "false"}, row);
    button.setAttribute("aria-keyshortcuts", key);
    button.addEventListener("click", () => {
      trial.choice = name;
      for (const other of row.children) other.ariaPressed = String(other === button);
      check();
    });
    trial.keys[key] = button;
  }
}

function hear(name) {
  if (!player.buffers[name]) return;
  player.play(name);
  trial.heard.add(name);
  for (const [other, button] of Object.entries(trial.buttons)) {
    button.ariaPressed = String(other === name);
    button.classList.toggle("heard", trial.heard.has(other));
  }
  check();
}

// What is still to be done before the next page.
function check() {
  const unheard = Object.keys(trial.buttons).length - trial.heard.size;
  const unrated = data.test === "mushra" ? trial.stimuli.filter((name) => !(name in trial.rated)).length : Number(trial.choice === undefined);
  const parts = [];
  if (unheard) parts.push(`${unheard} not heard yet`);
  if (unrated) parts.push(data.test === "mushra" ? `${unrated} not rated yet` : "no answer yet");
  at("missing").textContent = parts.join(", ");
  at("next").disabled = parts.length > 0;
}

at("next").addEventListener("click", () => {
  player.stop();
  answers[trial.id] = data.test === "mushra" ? trial.rated : trial.choice;
  place += 1;
  remember();
  show();
});

addEventListener("keydown", (event) => {
  if (at("trial").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") {
    event.preventDefault();
    if (player.source) player.stop();
    else if (player.current) player.play(player.current);
  } else if (event.key === "Enter") {
    // A key that is held answers once, and starts nothing on the next page.
    if (event.repeat || !at("next").disabled) event.preventDefault();
    if (!event.repeat) at("next").click();
  } else {
    const found = trial.keys[event.key.toLowerCase()];
    if (found instanceof HTMLElement) found.click();
    else if (found) {
      hear(found);
      (trial.buttons[found].slider ?? trial.buttons[found]).focus();
    }
  }
});

function finish() {
  at("trial").hidden = true;
  at("end").hidden = false;
  const rows = data.trials.flatMap(({id}) => data.test === "mushra"
    ? Object.entries(answers[id]).map(([stimulus, value]) => ({trial: id, stimulus, value}))
    : [{trial: id, stimulus: answers[id], value: 1}]);
  const result = {format: data.format, page: data.page, test: data.test, assessor, began, ended: new Date().toISOString(), ratings: rows};
  const quoted = (text) => `"${String(text ?? "").replaceAll('"', '""')}"`;
  const lines = rows.map(({trial: id, stimulus, value}) => [data.page, assessor, id, stimulus, value].map(quoted).join(","));
  const name = assessor.replace(/[^\p{L}\p{N}_-]+/gu, "-");
  const offer = (id, type, text, suffix) => {
    at(id).href = URL.createObjectURL(new Blob([text], {type}));
    at(id).download = `answers-${data.page.slice(0, 8)}-${name}.${suffix}`;
  };
  offer("json", "application/json", JSON.stringify(result, null, 1), "json");
  offer("csv", "text/csv", ["page,assessor,trial,stimulus,value", ...lines, ""].join("\n"), "csv");
}
