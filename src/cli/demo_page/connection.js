// One WebSocket that comes back by itself.
//
// States: connecting, live, waiting (a retry is due at retryAt), closed (the server said not to
// come back), stopped (by this page). A browser sees no ping frames, so a silent link is found out by a ping message of
// our own: no frame within silenceMax after it, and the link counts as lost.

const firstDelay = 400;      // ms; doubles with each failure
const longestDelay = 15000;
const pingEvery = 20000;
const silenceMax = 10000;
const finalCodes = new Map([  // PROTOCOL 1.5: those after which a client does not reconnect
  [1002, "The server refused what this page sent (protocol error)."],
  [1003, "The server refused what this page sent."],
  [1007, "The server refused what this page sent (not UTF-8)."],
  [1009, "The server refused a message as too large."],
  [4401, "The server asks for a token, and this page has none."],
  [4403, "An administrator closed this connection."],
]);

class Connection {
  constructor(address, onState, onFrame) {
    Object.assign(this, { address, onState, onFrame });
    this.token = "";  // of the user to be; none: anonymous
    this.failures = 0;
    this.heardAt = 0;
    setInterval(() => this.lookAfter(), 1000);
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.retry(); });
  }

  open() {
    clearTimeout(this.timer);
    this.change("connecting");
    const credential = this.token ? ["pgtide", `pgtide.bearer.${this.token}`] : [];
    const socket = new WebSocket(this.address, credential);
    this.socket = socket;
    socket.onopen = () => { this.heardAt = this.pingedAt = Date.now(); };
    socket.onmessage = (message) => {
      if (socket !== this.socket) return;
      this.heardAt = Date.now();
      this.onFrame(message.data);
    };
    socket.onclose = (closing) => { if (socket === this.socket) this.lost(closing.code); };
  }

  // The first frame, `connected`, says that the server has taken us.
  accepted() {
    this.failures = 0;
    this.trusted = this.token;
    this.change("live");
  }

  lost(code) {
    this.socket = null;
    // A token that was good is so no more: another demo has taken this one's place, with a page of
    // its own.
    if (code === 4401 && this.token && this.trusted === this.token) return location.reload();
    if (finalCodes.has(code)) return this.change("closed", { reason: finalCodes.get(code) });
    const delay = Math.min(longestDelay, firstDelay * 2 ** this.failures) *
      (0.75 + Math.random() / 2);  // so that a crowd of pages does not come back all at once
    this.failures += 1;
    this.change("waiting", { retryAt: Date.now() + delay });
    this.timer = setTimeout(() => this.open(), delay);
  }

  // Until open() is called again.
  stop() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
    this.change("stopped");
  }

  retry() {
    if (this.state === "waiting" || this.state === "closed") this.open();
  }

  lookAfter() {
    const now = Date.now();
    if (!this.socket) return;
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.pingedAt > this.heardAt && now - this.pingedAt > silenceMax) return this.abandon();
    if (now - this.heardAt > pingEvery && this.pingedAt <= this.heardAt) {
      this.pingedAt = now;
      this.send({ type: "ping" });
    }
  }

  abandon() {
    const socket = this.socket;
    this.lost(0);
    socket.close();
  }

  // False while there is no link; whoever cares says it again when it is live.
  send(message) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  change(state, details = {}) {
    this.state = state;
    this.onState(state, details);
  }
}
