// The sample's town. A vehicle glides from where it is to where its row says it is, in the time
// since the row's last change: the picture is a little behind the table, and smooth.

const glideMax = 1200;  // ms; a longer pause was a halt, not a slow ride

class TownMap {
  constructor(town, onPick) {
    Object.assign(this, { town, onPick });
    this.vehicles = new Map();
    this.kinds = new Map(town.lines.map((line) => [line.name, line.kind]));
    this.layer = makeSvg("g");
    this.svg = makeSvg("svg", { viewBox: `0 0 ${town.width} ${town.height}`, class: "town",
      role: "img", "aria-label": "Map of the town with its vehicles" });
    this.drawGround();
    for (const line of town.lines) this.drawLine(line);
    this.drawStops();
    this.svg.append(this.layer);
    this.step = this.step.bind(this);
  }

  drawGround() {
    const river = "M-20 420C150 400 220 318 340 318S560 430 700 420 900 330 1020 350";
    this.svg.append(makeSvg("rect", { class: "land", width: 1000, height: 560 }));
    const parks = [[180, 118, 134, 98], [536, 190, 136, 106], [590, 446, 150, 44]];
    for (const [x, y, width, height] of parks)
      this.svg.append(makeSvg("rect", { class: "park", x, y, width, height, rx: 14 }));
    for (let x = 20; x < 1000; x += 60)
      this.svg.append(makeSvg("path", { class: "street", d: `M${x} 0V560` }));
    for (let y = 40; y < 560; y += 50)
      this.svg.append(makeSvg("path", { class: "street", d: `M0 ${y}H1000` }));
    this.svg.append(makeSvg("path", { class: "bank", d: river }),
      makeSvg("path", { class: "river", d: river }));
  }

  drawLine(line) {
    const points = line.stops.map(([x, y]) => `${x} ${y}`).join("L");
    this.svg.append(makeSvg("path",
      { class: `line line-${line.name}`, d: `M${points}${line.loop ? "Z" : ""}` }));
  }

  drawStops() {
    const drawn = new Set();
    for (const line of this.town.lines)
      for (const [x, y, name] of line.stops) {
        if (!name || drawn.has(name)) continue;
        drawn.add(name);
        this.svg.append(makeSvg("circle", { class: "stop", cx: x, cy: y, r: 5 }));
        const last = x > this.town.width - 110;  // its name has no room to the right
        const label = makeSvg("text", { class: "stop-name", x: x + (last ? 8 : 10),
          y: y + (last ? 24 : -10), "text-anchor": last ? "end" : "start" }, name);
        this.svg.append(label);
      }
  }

  take(event) {
    if (event.action === "truncate") return this.clear();
    if (event.action === "delete") return this.remove(event.record_id);
    const { x, y, line, heading, status } = event.record;
    if (typeof x !== "number" || typeof y !== "number") return;
    const now = performance.now();
    const vehicle = this.vehicles.get(event.record_id) ||
      this.add(event.record_id, String(line), { x, y, now });
    vehicle.from = { x: vehicle.x, y: vehicle.y };
    vehicle.to = { x, y };
    vehicle.glide = Math.min(glideMax, Math.max(120, now - vehicle.at));
    vehicle.at = now;
    vehicle.body.setAttribute("transform", `rotate(${Number(heading) || 0})`);
    vehicle.element.classList.toggle("boarding", status === "boarding");
    if (!this.running) this.running = requestAnimationFrame(this.step);
  }

  add(id, line, { x, y, now }) {
    const known = this.kinds.has(line) ? line : "none";
    const body = makeSvg("g", {}, makeSvg("path",
      { class: "hull", d: "M-15-9H8q9 0 9 9t-9 9h-23q-3 0-3-3V-6q0-3 3-3z" }));
    const label = makeSvg("text", { y: 4.2 }, shorten(line, 2));
    const hint = makeSvg("title", {}, id);
    const element = makeSvg("g", { class: `vehicle line-${known}`, tabindex: 0, role: "button",
      "aria-label": `Follow ${id}` }, hint, body, label);
    const pick = () => this.onPick(id);
    element.addEventListener("click", pick);
    element.addEventListener("keydown", (key) => {
      if (key.key === "Enter" || key.key === " ") { key.preventDefault(); pick(); }
    });
    this.layer.append(element);
    const vehicle = { element, body, x, y, at: now - 500 };
    this.vehicles.set(id, vehicle);
    this.place(vehicle);
    return vehicle;
  }

  remove(id) {
    const vehicle = this.vehicles.get(id);
    if (vehicle) vehicle.element.remove();
    this.vehicles.delete(id);
  }

  clear() {
    for (const id of [...this.vehicles.keys()]) this.remove(id);
  }

  // The vehicles that have a subscription of their own are drawn with a ring.
  follow(ids) {
    for (const [id, vehicle] of this.vehicles)
      vehicle.element.classList.toggle("followed", ids.has(id));
  }

  step(now) {
    let moving = false;
    for (const vehicle of this.vehicles.values()) {
      if (!vehicle.to) continue;
      const part = quiet.matches ? 1 : Math.min(1, (now - vehicle.at) / vehicle.glide);
      vehicle.x = vehicle.from.x + (vehicle.to.x - vehicle.from.x) * part;
      vehicle.y = vehicle.from.y + (vehicle.to.y - vehicle.from.y) * part;
      this.place(vehicle);
      if (part < 1) moving = true;
      else vehicle.to = null;
    }
    this.running = moving ? requestAnimationFrame(this.step) : 0;
  }

  place(vehicle) {
    vehicle.element.setAttribute("transform",
      `translate(${vehicle.x.toFixed(1)} ${vehicle.y.toFixed(1)})`);
  }
}
