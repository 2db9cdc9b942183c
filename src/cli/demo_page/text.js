// Small things that the rest is written with. Rows are hostile input: text reaches the page as
// text nodes and attributes set from a fixed list only, never as HTML.

const find = (id) => document.getElementById(id);

// make("span", "class", "text" or child nodes...)
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeButton(className, label, act) {
  const button = make("button", className, label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

const quiet = matchMedia("(prefers-reduced-motion: reduce)");

const shorten = (text, length) =>
  text.length > length ? text.slice(0, length - 1) + "\u2026" : text;

const withCommas = (number) => number.toLocaleString("en-US");

// A number that JavaScript would round (a bigint past 2^53, a numeric of 40 digits) is shown as it
// was sent, where the browser lets a reviver see the source; elsewhere rounded.
function parseExactly(text) {
  if (!/\d[\d.]{15}/.test(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value, context) => {
    if (typeof value !== "number" || !context || !context.source) return value;
    return String(value) === context.source ? value : { exact: context.source };
  });
}

// What a cell shows of a JSON value, and how it is set: null, number, boolean, text, nested.
function toCell(value) {
  if (value === null || value === undefined) return { text: "null", kind: "null" };
  if (typeof value === "number") return { text: String(value), kind: "number" };
  if (typeof value === "boolean") return { text: String(value), kind: "boolean" };
  if (typeof value === "string") return { text: value, kind: "text" };
  if (typeof value.exact === "string" && Object.keys(value).length === 1)
    return { text: value.exact, kind: "number" };
  return { text: JSON.stringify(value), kind: "nested" };
}

function clockTime(moment) {
  const two = (number) => String(number).padStart(2, "0");
  return `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}` +
    `.${String(moment.getMilliseconds()).padStart(3, "0")}`;
}
