// Small helpers of the page.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  set(node, properties);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(tag, properties = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function set(node, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
}

let fading = 0;
export function toast(sentence) {
  const place = document.getElementById("toast");
  place.replaceChildren(el("p", {}, sentence));
  clearTimeout(fading);
  fading = setTimeout(() => place.replaceChildren(), 6000);
}

export const field = (name, input) => el("label", { class: "field" }, el("span", {}, name), input);
export const pause = (ms = 0) => new Promise((done) => setTimeout(done, ms));
export const heading = (title, lead) => [el("h1", {}, title), el("p", { class: "lead" }, lead)];

// For a place whose inside is about to be replaced: what had the focus in there gets it back, found again by its title or
// its words, when the function that is given is called after that.
export function refocus(place) {
  const held = place.contains(document.activeElement) ? document.activeElement : null, named = (node) => node.title || node.textContent;
  return () => {
    if (!held || held.isConnected) return;
    const buttons = [...place.querySelectorAll("button")];
    (buttons.find((one) => named(one) === named(held)) ?? buttons[0])?.focus({ preventScroll: true });
  };
}

// Runs an action whenever something changes, never twice at once: what came in between is done once, at the end. The
// action is given a function that says whether it has been asked for anew, so that a long one can give up. What fails is
// told, and done again once a server that was away is back.
export function newest(action) {
  let busy = false, again = false, waiting = false;
  const act = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try { do { again = false; await action(() => again); } while (again); }
    catch (error) {
      toast(error.message);
      if (!waiting) whenBack(() => { waiting = false; act(); });
      waiting = true;
    }
    finally { busy = false; }
  };
  return act;
}

// Does something once the server is back, in the room that is open now.
export function whenBack(action) {
  const here = location.hash;
  window.addEventListener("back", () => { if (location.hash === here) action(); }, { once: true });
}

// Where a run's grid is. After a rollback others have the same names, so an address has a course.
export const gridOf = (id, run, number) => `runs/${id}/grids/${run.grid_names[number]}?course=${run.state.rollbacks.length}`;

// A picture's score as a bar, from 0, fake, to 1, true, and in words.
export function scoreLine(score, words) {
  const line = el("span", { class: `score${score < 0.5 ? " is-fake" : ""}` }, el("i"), words);
  line.style.setProperty("--p", `${100 * score}%`);
  return line;
}

// Plain values as a table; what is nested goes by its path.
export function facts(value) {
  const rows = [];
  const walk = (one, path) => {
    if (one !== null && typeof one === "object" && !Array.isArray(one)) for (const [key, inner] of Object.entries(one)) walk(inner, [...path, key.replaceAll("_", " ")]);
    else if (one !== null && one !== "" && !(Array.isArray(one) && !one.length)) rows.push([path.join(" › "), typeof one === "number" && !Number.isInteger(one) ? String(+one.toPrecision(5)) : Array.isArray(one) ? one.map((v) => (typeof v === "object" ? JSON.stringify(v) : v)).join(", ") : String(one)]);
  };
  walk(value, []);
  return el("table", { class: "plain" }, el("tbody", {}, rows.map(([name, text]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, text)))));
}
