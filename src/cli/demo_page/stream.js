// The list of events as they come, newest above. A collection can be muted, the list paused; an
// entry opens to the frame as it was received.

const actions = ["create", "update", "delete", "truncate"];
const entriesShown = 150;
const entriesPerFrame = 30;    // more than an eye can follow; the rest is counted, not drawn
const frameTextShown = 20000;  // characters of a frame kept for an opened entry

class Stream {
  constructor(muted) {
    this.muted = new Set(muted);
    this.buttons = new Map();
    this.queue = [];
    this.skipped = 0;
    this.paused = false;
    this.list = find("stream");
    find("pause").addEventListener("click", () => this.setPaused(!this.paused));
    find("clear").addEventListener("click", () => {
      this.list.replaceChildren();
      this.showEmpty();
    });
  }

  addCollection(name) {
    if (this.buttons.has(name)) return;
    const count = make("span", "count", "0");
    const button = makeButton("mute", shorten(name, 24), () => this.toggle(name));
    button.append(" ", count);
    button.setAttribute("aria-pressed", String(!this.muted.has(name)));
    this.buttons.set(name, { button, count, events: 0 });
    find("mutes").append(button);
  }

  toggle(name) {
    if (!this.muted.delete(name)) this.muted.add(name);
    this.buttons.get(name).button.setAttribute("aria-pressed", String(!this.muted.has(name)));
  }

  setPaused(paused) {
    this.paused = paused;
    find("pause").setAttribute("aria-pressed", String(paused));
    find("pause").textContent = paused ? "Resume" : "Pause";
  }

  take(event, frame, before) {
    const name = event.collection === null ? "everybody" : event.collection;
    this.addCollection(name);
    this.buttons.get(name).events += 1;
    if (this.paused || this.muted.has(name)) return;
    this.push({ event, name, before, frame: shorten(frame, frameTextShown), at: new Date() });
  }

  // A line of its own: the link was lost, rows may be out of date.
  note(text) {
    this.push({ note: text, at: new Date() });
  }

  push(entry) {
    this.queue.push(entry);
    if (this.queue.length <= entriesPerFrame) return;
    this.queue.shift();
    this.skipped += 1;
  }

  draw() {
    for (const { count, events } of this.buttons.values()) {
      const text = withCommas(events);
      if (count.textContent !== text) count.textContent = text;
    }
    if (this.queue.length === 0) return;
    const lines = this.queue.map((one) => one.note ? this.makeNote(one) : this.makeEntry(one));
    if (this.skipped > 0) lines.unshift(this.makeNote({ at: new Date(),
      note: `${withCommas(this.skipped)} more, too fast to list` }));
    this.queue = [];
    this.skipped = 0;
    this.list.prepend(...lines.reverse());
    while (this.list.childElementCount > entriesShown) this.list.lastElementChild.remove();
    this.showEmpty();
  }

  makeNote({ note, at }) {
    return make("div", "note", make("time", "", clockTime(at)), " ", note);
  }

  makeEntry({ event, name, before, frame, at }) {
    const action = actions.includes(event.action) ? event.action : "custom";
    const id = event.record_id === undefined ? "" : `.${event.record_id}`;
    const summary = make("summary", "",
      make("time", "", clockTime(at)),
      make("span", `action ${action}`, action),
      make("span", "what", make("b", "", shorten(name, 40)), shorten(id, 60)),
      make("span", "gist", gistOf(event, before)));
    const entry = make("details", "entry", summary);
    entry.addEventListener("toggle", () => {
      if (entry.open && entry.childElementCount === 1) entry.append(make("pre", "", frame));
      if (entry.open) this.setPaused(true);
    });
    return entry;
  }

  showEmpty() {
    find("stream-empty").hidden = this.list.childElementCount > 0;
  }
}

// An event in a few words: what changed into what, or what a new row says.
function gistOf(event, before) {
  if (event.type === "custom_event") return shorten(toCell(event.data).text, 120);
  if (event.action === "truncate") return "the table was emptied";
  if (event.action === "delete" || !event.record) return "";
  const text = (value) => shorten(toCell(value).text, 32);
  const columns = event.changed || Object.keys(event.record);
  if (event.action === "update") {
    const from = (column) => before && column in before ? `${text(before[column])} \u2192 ` : "";
    const say = (column) => `${column} ${from(column)}${text(event.record[column])}`;
    return columns.slice(0, 3).map(say).join(", ") + (columns.length > 3 ? ", \u2026" : "");
  }
  return shorten(Object.values(event.record).filter((value) => typeof value === "string")
    .map(text).join(" \u00b7 "), 120);
}
