// Opens the studio: the list of models and runs, the rooms, light and dark.

import { AWAY, everything, loadModel, startRuntime } from "./networks.js";
import { samples } from "./latents.js";
import { el, heading, toast } from "./page.js";

const ROOMS = { draw: "Draw", table: "Table", ask: "Ask", judge: "Judge", guess: "Guess", watch: "Watch", learn: "Learn" };
const view = document.getElementById("view"), picker = document.getElementById("model"), banner = document.getElementById("banner");

const studio = {
  form: "", offers: [], unread: [], model: null, bench: [], chosen: 0,
  // Brings a sample to the table, in front.
  bring(sample) {
    this.bench = [sample, ...this.bench.filter((other) => other !== sample)].slice(0, 48);
    this.chosen = 0;
  },
  go(room) { location.hash = address(room); },
  refresh: () => refresh(),
};
window.studio = studio; // for the curious, and for tests

let leave = null, shown = "", loading = 0, choosing = 0, failure = ""; // why there is no model: the server's sentence

// Where a room is with the model that is drawn with: whoever opens it sees the same.
function address(room) { return picker.value ? `#${room}/${picker.value}` : `#${room}`; }

function point(open) {
  history.replaceState(null, "", address(open));
  for (const link of document.querySelectorAll("[data-room]")) link.href = address(link.dataset.room);
}

function rooms(open) {
  document.getElementById("rooms").replaceChildren(...Object.entries(ROOMS)
    .filter(([key]) => key !== "ask" || studio.model?.conditions)
    .map(([key, name]) => el("a", { "data-room": key, "aria-current": key === open ? "page" : null }, name)));
  point(open);
  document.querySelector("#rooms a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function current() {
  const room = location.hash.slice(1).split("/")[0];
  return room in ROOMS ? room : "draw";
}

// The id of the model that the address names; undefined if it names none, or none that can be drawn with here.
function named() {
  const id = location.hash.split("/")[1];
  if (!id || studio.offers.some((one) => one.id === id && one.draws)) return id || undefined;
  toast(`${id} cannot be drawn with here.`);
}

async function show() {
  const room = current(), mine = ++loading;
  leave?.();
  leave = null;
  shown = room;
  rooms(room);
  let module = null;
  try { module = await import(`./${room}.js`); } catch { /* told below */ }
  if (mine !== loading) return;
  if (!module) return unopened(room);
  if (!studio.model && room !== "watch") return nothing();
  view.replaceChildren();
  document.title = `${ROOMS[room]} · DCGAN studio`;
  leave = module.show(view, studio) ?? null;
}

// A browser may keep a module that could not be had, so the page is opened anew.
function unopened(room) {
  document.title = `${ROOMS[room]} · DCGAN studio`;
  view.replaceChildren(...heading(`${ROOMS[room]} could not be opened`, AWAY), el("button", { type: "button", onclick: () => location.reload() }, "Try again"));
  const here = loading;
  window.addEventListener("back", () => { if (here === loading) location.reload(); }, { once: true });
}

function nothing() {
  const offer = studio.offers.find((one) => one.id === picker.value);
  if (offer && view.hasAttribute("aria-busy")) view.replaceChildren(el("h1", {}, `Loading ${offer.title}…`));
  else if (offer) view.replaceChildren(...heading(`${offer.title} could not be loaded`, failure), el("button", { type: "button", onclick: () => choose(offer.id) }, "Try again"));
  else view.replaceChildren(el("h1", {}, "Nothing to draw with yet"), el("p", { class: "lead" },
    "None of the runs that are shown here has saved its networks; a training saves them with its first summary. See how it is getting on under ", el("a", { href: "#watch" }, "Watch"), "."));
}

async function choose(id) {
  if (await load(studio.offers.find((one) => one.id === id && one.draws) ?? studio.offers.find((one) => one.draws))) await brought();
}

// The rooms draw with another model now. Who watches goes on watching.
const brought = () => (shown === "watch" && current() === "watch" ? rooms("watch") : show());

// Loads what an offer draws with. Says whether it is still wanted: not if another was chosen meanwhile, which may be
// there sooner.
async function load(offer) {
  const mine = ++choosing;
  studio.model?.close?.();
  studio.model = null;
  failure = "";
  if (offer) {
    picker.value = offer.id;
    point(current());
    view.setAttribute("aria-busy", "true");
    let why = "";
    const model = await loadModel(offer, studio.form).catch((error) => { why = error.message; });
    if (mine !== choosing) { model?.close?.(); return false; }
    view.removeAttribute("aria-busy");
    if (model) {
      studio.model = model;
      studio.bench = samples(0, 12, model, model.askable);
      studio.chosen = 0;
      remember("model", offer.id);
    } else toast(failure = why);
  }
  describe(offer);
  return true;
}

function describe(offer) {
  const where = studio.form === "server" ? "The networks run in Python on the machine that serves this page." : "The networks run in your browser: nothing is sent anywhere, and nothing is loaded from elsewhere.";
  document.getElementById("about").textContent = `${offer ? `${offer.title}: ${offer.about} ` : ""}${where}`;
}

function list(found) {
  [studio.form, studio.offers, studio.unread] = [found.form, found.offers, found.unread ?? []];
  const shown = studio.model?.id ?? picker.value, drawing = studio.offers.filter((one) => one.draws);
  picker.replaceChildren(...drawing.map((one) => el("option", { value: one.id }, one.title)));
  picker.parentElement.hidden = !drawing.length;
  if (drawing.some((one) => one.id === shown)) picker.value = shown;
  window.dispatchEvent(new Event("offers"));
}

async function refresh(found = null) { // the server may have new runs, and old ones may be gone
  list(found ?? await everything());
  const { model } = studio;
  if (view.hasAttribute("aria-busy") || (model?.id ?? "") === picker.value) return;
  if (model) toast(`${model.title} can no longer be drawn with.`);
  if (await load(studio.offers.find((one) => one.id === picker.value))) await brought(); // the first of all, or others
}

// What is kept between visits stays in this browser: the model, and light or dark.
function remember(name, value) { try { localStorage.setItem(`studio.${name}`, value); } catch { /* not allowed: then not */ } }
function recall(name) { try { return localStorage.getItem(`studio.${name}`); } catch { return null; } }

function theme(value) {
  const dark = value === "dark" || (value === null && matchMedia("(prefers-color-scheme: dark)").matches);
  if (value) document.documentElement.dataset.theme = value;
  const button = document.getElementById("theme");
  button.textContent = dark ? "☀" : "☾";
  button.setAttribute("aria-label", dark ? "Switch to light" : "Switch to dark");
  button.onclick = () => { const next = dark ? "light" : "dark"; remember("theme", next); theme(next); };
}

function tellAway(why) {
  const said = `${why} This page asks again by itself.`;
  if (banner.hidden || banner.textContent !== said) banner.textContent = said; // once: it is read out whenever it is written
  banner.hidden = false;
}

// A server that has gone comes back: say so, ask again, and go on where we were. Runs may have been begun meanwhile.
async function keepAsking() {
  for (;;) {
    await new Promise((done) => setTimeout(done, banner.hidden ? 3000 : 1000));
    if (document.hidden && banner.hidden) continue;
    try {
      const found = await everything();
      if (JSON.stringify([found.offers, found.unread]) !== JSON.stringify([studio.offers, studio.unread])) await refresh(found);
      if (!banner.hidden) { banner.hidden = true; toast("The server is back."); window.dispatchEvent(new Event("back")); if (!studio.model && picker.value && !view.hasAttribute("aria-busy")) choose(picker.value); }
    } catch (error) { tellAway(error.message); }
  }
}

theme(recall("theme"));
if (document.documentElement.dataset.form === "export") startRuntime().catch(() => {}); // 14 MB: the earlier, the better
window.addEventListener("hashchange", () => {
  if (!studio.form) return; // the list has not come yet: who waits for it reads the address then
  const id = named();
  if (id && id !== picker.value) choose(id); // which shows the room again, once it can be drawn with
  show();
  view.focus({ preventScroll: true });
  scrollTo(0, 0);
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); view.focus(); }); // its address is no room
picker.addEventListener("change", () => choose(picker.value));
try {
  list(await everything());
  await choose(named() ?? recall("model"));
  if (studio.form === "server") {
    window.addEventListener("away", () => tellAway(AWAY)); // a room may find it out first
    keepAsking();
  }
} catch (error) {
  document.getElementById("wait")?.querySelector("p").replaceChildren(`The studio could not be opened: ${error.message}`);
}
