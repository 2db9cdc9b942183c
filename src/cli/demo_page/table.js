// A collection's card: the rows that have changed since the page was opened, newest above, each
// cell flashing when its value changes. The protocol's snapshots will fill it at once; until
// then a row appears with its first change.
//
// Events only change `rows` and note what is new; the DOM follows once per frame, so that a
// flood costs one update per row and frame however many events there were.

const rowsShown = 60;  // rows kept per collection: those that changed last

class Table {
  // `folded`: columns that are not shown.
  constructor(name, key, onPick, folded = []) {
    Object.assign(this, { name, key, onPick, folded });
    this.rows = new Map();     // record id -> { record, cells, element, changed, leaving }
    this.columns = [];
    this.pending = new Set();  // ids that draw() must look at
    this.counts = { create: 0, update: 0, delete: 0 };
    this.build();
  }

  build() {
    this.title = make("h2", "", this.name);
    this.title.id = `table-${Table.made = (Table.made || 0) + 1}`;
    this.count = make("p", "hint");
    this.head = make("tr");
    this.body = make("tbody");
    const table = make("table", "", make("thead", "", this.head), this.body);
    table.setAttribute("aria-labelledby", this.title.id);
    this.scroll = make("div", "scroll", table);
    this.scroll.tabIndex = 0;
    this.scroll.setAttribute("role", "region");
    this.scroll.setAttribute("aria-labelledby", this.title.id);
    this.empty = make("p", "empty", "Waiting for the first change.");
    this.card = make("section", "card table-card",
      make("div", "card-head", this.title, this.count), this.scroll, this.empty);
    this.card.dataset.collection = this.name;
    this.showSummary();
  }

  // Whether any subscription covers this collection now.
  setCovered(covered) {
    this.covered = covered;
    this.card.classList.toggle("uncovered", !covered);
    this.showSummary();
  }

  // Rows may be out of date: the link was lost, or the server asks for a new read.
  setStale() {
    for (const row of this.rows.values()) if (row.element) row.element.classList.add("stale");
  }

  take(event) {
    if (event.action === "truncate") return this.empty_out();
    const id = event.record_id;
    this.counts[event.action] += 1;
    if (event.action === "delete") this.remove(id);
    else this.put(id, event);
  }

  put(id, event) {
    const before = this.rows.get(id);
    const record = event.truncated && before ? { ...before.record, ...event.record } : event.record;
    const row = before && !before.leaving ? before : { element: null, changed: new Set() };
    const fresh = !row.element && !row.record;
    for (const column of Object.keys(record)) {
      if (this.folded.includes(column)) continue;
      if (!this.columns.includes(column)) this.addColumn(column);
      const differs = row.record && JSON.stringify(row.record[column]) !==
        JSON.stringify(record[column]);
      if (fresh || differs) row.changed.add(column);
    }
    if (before && before.leaving && before.element) before.element.remove();
    row.record = record;
    row.born = row.born || event.action === "create";
    if (!fresh) this.rows.delete(id);  // to the end: the map's order is that of the last change
    this.rows.set(id, row);
    this.pending.add(id);
  }

  remove(id) {
    const row = this.rows.get(id);
    if (!row) return;
    row.leaving = true;
    this.pending.add(id);
  }

  // As at the beginning: another viewer sees other rows and columns.
  reset() {
    this.rows.clear();
    this.pending.clear();
    this.columns = [];
    this.counts = { create: 0, update: 0, delete: 0 };
    this.head.replaceChildren();
    this.body.replaceChildren();
    this.showSummary();
  }

  empty_out() {
    for (const id of this.rows.keys()) this.remove(id);
  }

  addColumn(column) {
    this.columns.push(column);
    if (this.columns.length > this.key.length) {
      const rank = (name) => this.key.includes(name) ? this.key.indexOf(name) : this.key.length;
      this.columns.sort((a, b) => rank(a) - rank(b));  // stable: the others keep the row's order
    }
    this.columnsChanged = true;
  }

  draw() {
    if (this.pending.size === 0) return;
    if (this.columnsChanged) this.drawColumns();
    for (const id of this.pending) {
      const row = this.rows.get(id);
      if (!row) continue;
      if (row.leaving) this.drawLeaving(id, row);
      else this.drawRow(id, row);
    }
    this.pending.clear();
    this.evict();
    this.showSummary();
  }

  drawColumns() {
    this.columnsChanged = false;
    this.head.replaceChildren(...this.columns.map((column) => {
      const cell = make("th", "", shorten(column, 40));
      cell.scope = "col";
      return cell;
    }));
    for (const row of this.rows.values()) {
      if (row.element) row.element.remove();
      row.element = null;
      if (!row.leaving) this.drawRow(row.id, row);
    }
  }

  drawRow(id, row) {
    row.id = id;
    const first = !row.element;
    if (first) {
      row.element = make("tr");
      row.cells = new Map(this.columns.map((column) => [column, make("td")]));
      row.element.append(...row.cells.values());
      this.body.prepend(row.element);
      for (const column of this.columns) this.drawCell(row, column);
    }
    for (const column of row.changed) {
      if (!first) this.drawCell(row, column);
      if (!first || !row.born) this.flash(row.cells.get(column), "update");
    }
    if (first && row.born) this.flash(row.element, "create");
    row.changed.clear();
    row.born = false;
    row.element.classList.remove("stale");
    row.element.classList.toggle("draft", row.record.draft === true);
  }

  drawCell(row, column) {
    const shown = toCell(row.record[column]);
    const cell = row.cells.get(column);
    if (!cell) return;
    cell.dataset.kind = shown.kind;
    const text = shorten(shown.text, 90);
    if (shown.text.length > 90) cell.title = shorten(shown.text, 2000);
    if (!this.key.includes(column)) return cell.replaceChildren(text);
    const button = makeButton("pick", text, () => this.onPick(`${this.name}.${row.id}`));
    button.title = `Subscribe to ${this.name}.${shorten(row.id || "", 80)}`;
    cell.replaceChildren(button);
  }

  drawLeaving(id, row) {
    this.rows.delete(id);
    if (!row.element) return;
    row.element.classList.add("leaving");
    const gone = () => row.element.remove();
    if (quiet.matches) return gone();
    this.flash(row.element, "delete");
    setTimeout(gone, 700);
  }

  flash(element, action) {
    if (quiet.matches || !element) return;
    const colour = `var(--flash-${action})`;
    element.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }],
      { duration: action === "update" ? 900 : 1600, easing: "ease-out" });
  }

  evict() {
    for (const [id, row] of this.rows) {
      if (this.rows.size <= rowsShown) return;
      if (row.element) row.element.remove();
      this.rows.delete(id);
    }
  }

  showSummary() {
    const { create, update, delete: gone } = this.counts;
    const rows = this.rows.size;
    this.empty.hidden = rows > 0;
    this.scroll.hidden = rows === 0;
    this.empty.textContent = this.covered === false ? `Not subscribed to ${this.name}.*`
      : "Waiting for the first change.";
    this.count.replaceChildren(
      make("span", "tally create", `+${withCommas(create)}`),
      make("span", "tally update", `~${withCommas(update)}`),
      make("span", "tally delete", `\u2212${withCommas(gone)}`));
    this.count.setAttribute("aria-label",
      `${create} created, ${update} updated, ${gone} deleted`);
  }
}
