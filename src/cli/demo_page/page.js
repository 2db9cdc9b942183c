// Where the parts meet: frames come in, each part takes what concerns it, and one draw per
// animation frame shows it.

const scene = JSON.parse(find("scene").textContent);
const tables = new Map();
const figures = new Figures();
const stream = new Stream(scene.town ? [scene.town.collection] : []);
const town = scene.town ? new TownMap(scene.town, followVehicle) : null;
const address = new URL(scene.endpoint, location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";
const connection = new Connection(address.href, showLink, takeFrame);
const patterns = new Patterns((message) => connection.send(message), showCoverage);
const viewers = new Viewers(scene.viewers, {
  address: address.href,
  collections: scene.collections.filter(({ name }) => !town || name !== scene.town.collection),
  onPick: (pattern) => patterns.add(pattern),
}, become);
let wasLive = false;   // until the loss has been shown
let everLive = false;
let drawAsked = false;

function tableOf(name, key) {
  let table = tables.get(name);
  if (table) return table;
  table = new Table(name, key || ["id"], (pattern) => patterns.add(pattern));
  tables.set(name, table);
  find("tables").append(table.card);
  stream.addCollection(name);
  find("known-patterns").append(make("option", "", `${name}.*`));
  find("nothing").hidden = true;
  return table;
}

// Goes on as another viewer: nothing of what the one before saw stays.
function become(viewer) {
  connection.stop();
  connection.token = viewer.token;
  wasLive = false;
  for (const table of tables.values()) table.reset();
  if (town) town.clear();
  patterns.linkLost();
  stream.note(`From here on as ${viewer.name}.`);
  connection.open();
  askDraw();
}

function followVehicle(id) { patterns.add(`${scene.town.collection}.${id}`); }

function showCoverage() {
  for (const [name, table] of tables) table.setCovered(patterns.covers(name));
  if (town) town.follow(patterns.idsOf(scene.town.collection));
}

// --- the link ---

function showLink(state, { retryAt, reason } = {}) {
  find("link").dataset.state = state;
  find("retry").hidden = state !== "waiting" && state !== "closed";
  find("retry").textContent = state === "closed" ? "Connect" : "Retry now";
  clearInterval(showLink.timer);
  if (state === "live") find("link-text").textContent = "Live";
  if (state === "connecting")
    find("link-text").textContent = everLive ? "Reconnecting" : "Connecting";
  if (state === "closed") find("link-text").textContent = "Closed";
  if (state === "closed") showNotice(reason);
  if (state === "waiting") countDown(retryAt);
  document.body.classList.toggle("offline", state !== "live");
}

function countDown(retryAt) {
  if (wasLive) {
    stream.note("The connection was lost; rows may be out of date until they change again.");
    for (const table of tables.values()) table.setStale();
    patterns.linkLost();
    askDraw();
  }
  wasLive = false;
  const show = () => {
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    find("link-text").textContent = navigator.onLine === false ? "Offline"
      : seconds > 1 ? `Reconnecting in ${seconds} s` : "Reconnecting";
  };
  show();
  showLink.timer = setInterval(show, 250);
}

// --- frames ---

const takers = {
  connected() {
    connection.accepted();
    wasLive = everLive = true;
    patterns.askAll();
    hideNotice();
  },
  subscribed: (frame) => patterns.subscribed(frame.pattern),
  record_event(frame, text) {
    if (frame.truncated && frame.record === undefined) return;
    const table = tableOf(frame.collection);
    const row = table.rows.get(frame.record_id);
    stream.take(frame, text, row && row.record);
    figures.take(frame);
    patterns.count(frame.patterns);
    table.take(frame);
    if (town && frame.collection === scene.town.collection) town.take(frame);
  },
  custom_event(frame, text) {
    stream.take(frame, text);
    figures.take(frame);
    patterns.count(frame.patterns);
    showToast(frame);
  },
  resync_required(frame) {
    const reason = shorten(String(frame.reason), 40);
    stream.note(`Rows may be out of date until they change again (${reason}).`);
    for (const table of tables.values()) table.setStale();
  },
  error(frame) {
    const message = shorten(`${frame.message || frame.code}`, 300);
    const later = frame.code === "rate_limited" ? (frame.retry_after_ms || 1000) + 50 : 0;
    if (patterns.refused(frame.pattern, message, later)) return;
    if (later > 0) setTimeout(() => patterns.askMissing(), later);
    else showNotice(message);
  },
};

function takeFrame(text) {
  let frame;
  try {
    frame = parseExactly(text);
  } catch {
    return showNotice("The server sent something that is not JSON.");
  }
  if (Object.hasOwn(takers, frame.type)) takers[frame.type](frame, text);
  askDraw();
}

// A hidden page gets no animation frames; it draws when it is seen again.
function askDraw() {
  if (drawAsked) return;
  drawAsked = true;
  requestAnimationFrame(() => {
    drawAsked = false;
    for (const table of tables.values()) table.draw();
    viewers.draw();
    stream.draw();
    patterns.draw();
  });
}

// --- what else is on the page ---

function showNotice(text) {
  find("notice-text").textContent = text;
  find("notice").hidden = false;
}

function hideNotice() { find("notice").hidden = true; }

function showToast(frame) {
  const spoken = frame.data && typeof frame.data.message === "string" ? frame.data.message
    : toCell(frame.data).text;
  const from = frame.collection === null ? "To everybody" : shorten(frame.collection, 40);
  const toast = make("div", "toast", make("b", "", from), make("span", "", shorten(spoken, 240)));
  find("toasts").append(toast);
  while (find("toasts").childElementCount > 3) find("toasts").firstElementChild.remove();
  setTimeout(() => toast.remove(), 7000);
}

async function say(event) {
  event.preventDefault();
  const words = find("words").value.trim();
  if (!words) return find("words").focus();
  find("say-error").textContent = "";
  try {
    const token = viewers.tokenOf("Admin");
    const reply = await fetch("/realtime/broadcast_all", { method: "POST",
      headers: { "Content-Type": "application/json",
        ...(token ? { Authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify({ data: { message: words } }) });
    if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
    find("words").value = "";
  } catch (fault) {
    find("say-error").textContent = `Not sent: ${fault.message}.`;
  }
}

async function copy(button) {
  const source = find(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.replace(/\s+/g, " "));
    button.textContent = "Copied";
  } catch {  // no clipboard without https or a loopback name
    getSelection().selectAllChildren(source);
    button.textContent = "Press Ctrl-C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
}

function start() {
  for (const { name, key } of scene.collections) tableOf(name, key);
  find("nothing").hidden = tables.size > 0;
  find("map-card").hidden = !town;
  if (town) find("map").append(town.svg);
  find("try").hidden = !scene.sample && !scene.psql;
  find("try-psql").hidden = !scene.psql;
  find("statement").parentElement.hidden = !scene.sample;
  find("psql").textContent = scene.psql;
  find("say").hidden = !scene.sample;
  find("say").addEventListener("submit", say);
  find("retry").addEventListener("click", () => connection.retry());
  find("notice-close").addEventListener("click", hideNotice);
  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", () => copy(button));
  const wanted = patternsInAddress();
  patterns.begin(wanted.length > 0 ? wanted
    : scene.collections.slice(0, 100).map(({ name }) => `${name}.*`));
  connection.open();
}

start();
