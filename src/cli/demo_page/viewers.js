// "Who am I": the page as one of the scene's viewers, or beside each other what each of them sees
// of the same tables, each over a WebSocket of its own with that viewer's token.

const foldedColumns = ["author_id", "post_id", "created_at", "edited"];  // there is little room
const wideEnough = 1280;  // px: from here on the page begins side by side

// What one viewer sees: a card with a table per collection.
class View {
  constructor(viewer, { address, collections, onPick }) {
    Object.assign(this, { viewer, collections });
    this.tables = new Map();
    const role = viewer.role ? make("span", "role", viewer.role) : "";
    this.state = make("span", "dot");
    this.card = make("section", "card view", make("div", "card-head",
      make("h3", "", viewer.name, " ", role), this.state), make("p", "hint sees", viewer.sees));
    this.card.dataset.viewer = viewer.name;
    this.card.setAttribute("aria-label", `What ${viewer.name} sees`);
    for (const { name, key } of collections) {
      const table = new Table(name, key, onPick, foldedColumns);
      this.tables.set(name, table);
      this.card.append(table.card);
    }
    this.connection = new Connection(address, (state) => this.showState(state),
      (text) => this.take(text));
    this.connection.token = viewer.token;
  }

  showState(state) {
    this.card.dataset.state = state;
    if (state === "waiting") for (const table of this.tables.values()) table.setStale();
  }

  take(text) {
    const frame = parseExactly(text);
    if (frame.type === "connected") {
      this.connection.accepted();
      this.connection.send({ type: "subscribe",
        subscriptions: this.collections.map(({ name }) => ({ pattern: `${name}.*` })) });
    }
    const table = frame.type === "record_event" && this.tables.get(frame.collection);
    if (table && !(frame.truncated && frame.record === undefined)) table.take(frame);
    if (frame.type === "resync_required")
      for (const each of this.tables.values()) each.setStale();
    askDraw();
  }

  draw() { for (const table of this.tables.values()) table.draw(); }
}

class Viewers {
  // `places`: the address, the collections shown side by side, and what a picked row does.
  // `become`: called with the viewer that the page is to be.
  constructor(viewers, places, become) {
    Object.assign(this, { viewers, places, become });
    this.views = [];
    this.beside = false;
    this.buttons = viewers.map((viewer) => this.makeChoice(viewer.name, viewer.role,
      () => this.choose(viewer)));
    this.besideButton = this.makeChoice("Side by side", "", () => this.showBeside(!this.beside));
    find("who-choices").append(...this.buttons);
    find("who-beside").append(this.besideButton);
    find("who").hidden = viewers.length === 0;
    if (viewers.length === 0) return;
    this.mark(viewers[0]);
    if (innerWidth >= wideEnough) this.showBeside(true);
  }

  makeChoice(name, role, act) {
    const button = makeButton("choice", name, act);
    if (role) button.append(" ", make("span", "role", role));
    button.setAttribute("aria-pressed", "false");
    return button;
  }

  choose(viewer) {
    this.showBeside(false);
    if (viewer === this.current) return;
    this.mark(viewer);
    this.become(viewer);
  }

  mark(viewer) {
    this.current = viewer;
    find("who-sees").textContent = `${viewer.name}: ${viewer.sees}.`;
    this.viewers.forEach((each, at) =>
      this.buttons[at].setAttribute("aria-pressed", String(each === viewer && !this.beside)));
  }

  showBeside(beside) {
    if (beside === this.beside) return;
    this.beside = beside;
    this.besideButton.setAttribute("aria-pressed", String(beside));
    document.body.classList.toggle("beside", beside);
    find("views").hidden = !beside;
    if (beside && this.views.length === 0) {
      this.views = this.viewers.map((viewer) => new View(viewer, this.places));
      find("views").append(...this.views.map((view) => view.card));
    }
    for (const view of this.views) {
      if (beside) view.connection.open();
      else view.connection.stop();
    }
    if (this.current) this.mark(this.current);
    if (beside) find("who-sees").textContent =
      "The same rows, each time as somebody else. They appear as they change.";
  }

  draw() { if (this.beside) for (const view of this.views) view.draw(); }

  // Somebody's token, for what not everybody may do.
  tokenOf(name) {
    const viewer = this.viewers.find((each) => each.name === name);
    return viewer ? viewer.token : "";
  }
}
