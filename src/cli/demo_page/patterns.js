// The subscriptions: one chip each, in the state that the server has last reported. They
// outlive the link: on each new one all are asked for anew, in one request. The address's #
// keeps them, so that a reload or a copied link shows the same.

const collectionName = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

// Why the server would refuse this pattern; empty when it would not (PROTOCOL 1.2).
function faultOf(pattern) {
  if (pattern === "*") return "";
  const dot = pattern.indexOf(".");
  const name = dot < 0 ? pattern : pattern.slice(0, dot);
  if (!collectionName.test(name)) return `"${shorten(name, 40)}" is no collection's name.`;
  if (dot < 0) return `Did you mean ${name}.* (all rows) or ${name}.1 (one row)?`;
  const id = pattern.slice(dot + 1);
  if (!id) return "Write * or a record's key after the dot.";
  if (controlCharacter.test(id)) return "A record's key has no control characters.";
  if (new TextEncoder().encode(id).length > 256) return "A record's key has at most 256 bytes.";
  return "";
}

class Patterns {
  constructor(send, onChange) {
    Object.assign(this, { send, onChange });
    this.held = new Map();  // pattern -> { state: asked | live | refused, chip, label, events }
    find("subscribe").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(find("pattern").value.trim());
    });
    find("pattern").addEventListener("input", () => { find("pattern-error").textContent = ""; });
  }

  submit(pattern) {
    const fault = pattern ? faultOf(pattern) : "Type a pattern, such as posts.*";
    find("pattern-error").textContent = fault;
    if (fault) return find("pattern").focus();
    find("pattern").value = "";
    this.add(pattern);
  }

  add(pattern) {
    const known = this.held.get(pattern);
    if (known && known.state !== "refused") return this.pulse(known.chip);
    if (!known) this.makeChip(pattern);
    this.set(pattern, "asked");
    this.send({ type: "subscribe", pattern, id: pattern.slice(0, 16) });
    this.changed();
  }

  // Those a page starts with; they are asked for once the link is live.
  begin(patterns) {
    for (const pattern of patterns)
      if (!faultOf(pattern) && !this.held.has(pattern)) this.makeChip(pattern);
    this.changed();
  }

  askAll() {
    for (const pattern of this.held.keys()) this.set(pattern, "asked");
    this.askMissing();
  }

  askMissing() {
    const patterns = [...this.held.keys()].filter((one) => this.held.get(one).state === "asked");
    if (patterns.length === 0) return;
    this.send({ type: "subscribe", subscriptions: patterns.map((pattern) => ({ pattern })) });
  }

  drop(pattern) {
    const held = this.held.get(pattern);
    const next = held.chip.nextElementSibling || held.chip.previousElementSibling;
    if (held.state !== "refused") this.send({ type: "unsubscribe", pattern });
    this.held.delete(pattern);
    held.chip.remove();
    (next ? next.querySelector("button") : find("pattern")).focus();
    this.changed();
  }

  // The server's replies.
  subscribed(pattern) { if (this.held.has(pattern)) { this.set(pattern, "live"); this.changed(); } }

  refused(pattern, message, retryAfter) {
    const held = this.held.get(pattern);
    if (!held) return false;
    if (retryAfter > 0) {
      setTimeout(() => this.askMissing(), retryAfter);
      return true;
    }
    this.set(pattern, "refused", message);
    this.changed();
    return true;
  }

  linkLost() {
    for (const pattern of this.held.keys()) this.set(pattern, "asked");
    this.changed();
  }

  count(patterns) {
    for (const pattern of patterns || []) {
      const held = this.held.get(pattern);
      if (held) held.events += 1;
    }
  }

  draw() {
    for (const { label, events } of this.held.values()) {
      const text = events ? withCommas(events) : "";
      if (label.textContent !== text) label.textContent = text;
    }
  }

  covers(collection) {
    for (const [pattern, { state }] of this.held)
      if (state !== "refused" && (pattern === "*" || pattern.startsWith(`${collection}.`)))
        return true;
    return false;
  }

  idsOf(collection) {
    const prefix = `${collection}.`;
    const ids = new Set();
    for (const [pattern, { state }] of this.held)
      if (state !== "refused" && pattern.startsWith(prefix)) ids.add(pattern.slice(prefix.length));
    ids.delete("*");
    return ids;
  }

  makeChip(pattern) {
    const label = make("span", "count");
    const fault = make("span", "chip-fault");
    const close = makeButton("chip-close", "\u00d7", () => this.drop(pattern));
    close.setAttribute("aria-label", `Unsubscribe from ${pattern}`);
    const chip = make("li", "chip", make("span", "dot"), make("code", "", shorten(pattern, 60)),
      label, close, fault);
    if (pattern.length > 60) chip.title = pattern;
    this.held.set(pattern, { state: "asked", chip, label, fault, events: 0 });
    find("chips").append(chip);
    this.set(pattern, "asked");
  }

  set(pattern, state, message = "") {
    const held = this.held.get(pattern);
    held.state = state;
    held.chip.dataset.state = state;
    held.fault.textContent = message;
  }

  pulse(chip) {
    if (!quiet.matches) chip.animate([{ transform: "scale(1.06)" }, { transform: "none" }], 240);
  }

  changed() {
    find("no-chips").hidden = this.held.size > 0;
    history.replaceState(null, "", "#" + [...this.held.keys()].map(encodeURIComponent).join(","));
    this.onChange();
  }
}

// The patterns in the address's #, or none.
function patternsInAddress() {
  try {
    return location.hash.slice(1).split(",").filter(Boolean).map(decodeURIComponent);
  } catch {
    return [];  // a # that somebody has typed by hand
  }
}
