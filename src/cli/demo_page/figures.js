// Rate and latency. The rate is counted over half-second slots; the curve shows the last
// minute.

const slotMs = 500;
const slots = 120;
const latencies = 256;

class Figures {
  constructor() {
    this.total = 0;
    this.inSlot = 0;
    this.history = new Array(slots).fill(0);
    this.delays = [];
    setInterval(() => this.closeSlot(), slotMs);
  }

  take(event) {
    this.total += 1;
    this.inSlot += 1;
    const delay = Date.now() - Date.parse(event.timestamp);
    if (!Number.isFinite(delay)) return;
    this.delays.push(delay);
    if (this.delays.length > latencies) this.delays.shift();
  }

  closeSlot() {
    this.history.push(this.inSlot * 1000 / slotMs);
    this.history.shift();
    this.inSlot = 0;
    const recent = this.history.slice(-4);
    const rate = recent.reduce((sum, one) => sum + one, 0) / recent.length;
    find("rate").textContent = rate > 0 && rate < 10 ? rate.toFixed(1)
      : withCommas(Math.round(rate));
    find("total").textContent = withCommas(this.total);
    this.drawLatency();
    this.drawCurve();
  }

  drawLatency() {
    if (this.delays.length === 0) return;
    const sorted = [...this.delays].sort((a, b) => a - b);
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
    if (sorted[0] < -20) {  // the page's clock is behind the database's
      find("median").textContent = "?";
      find("slowest").textContent = "clocks differ";
      return;
    }
    find("median").textContent = `${Math.max(0, at(0.5))} ms`;
    find("slowest").textContent = `p99 ${Math.max(0, at(0.99))} ms`;
  }

  drawCurve() {
    const top = Math.max(10, ...this.history);
    const points = this.history.map((rate, index) =>
      `${(120 * index / (slots - 1)).toFixed(1)} ${(26 - 24 * rate / top).toFixed(1)}`);
    const line = `M${points.join("L")}`;
    const spark = find("spark");
    spark.querySelector(".line").setAttribute("d", line);
    spark.querySelector(".area").setAttribute("d", `${line}L120 28L0 28Z`);
  }
}
