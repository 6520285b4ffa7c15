// Judge: the discriminator's scores, and where in a picture they come from.

import { chart } from "./charts.js";
import { samples } from "./latents.js";
import { json } from "./networks.js";
import { el, gridOf, heading, newest, refocus, scoreLine, svg, toast, whenBack } from "./page.js";
import { canvasOf, gradient, overlay, tile } from "./pictures.js";
import { answer, rankCorrelation, scores } from "./statistics.js";

const METHODS = {
  occlusion: ["Occlusion", "How much of the logit is lost when a patch becomes grey: slow, plain, and hard to misread."],
  gradcam: ["Grad-CAM", "Activations of the last convolution, weighted by the mean of their gradients (Selvaraju et al.)."],
  contributions: ["Contributions", "The same without averaging: at the last convolution they add up to the logit, but for the last bias."],
  guided: ["Guided backpropagation", "Which pixels drive the score up, going back through units that were on (Springenberg et al.). It draws edges; see the control."],
};
// What its answers are: only cross-entropy makes the sigmoid of a logit a probability.
const MEANING = (model) => (model.probability ? "It gives every picture a probability of being true, that is, from the data."
  : model.undecided === null ? "It gives every picture a logit. Its loss knows only how far those of true and fake images are apart: a logit alone says nothing, the higher of two is the truer."
    : `It gives every picture a logit, above ${model.undecided} for true, that is, from the data. By its loss that is no probability.`);
let seed = 0;

export function show(root, studio) {
  const { model } = studio;
  root.append(...heading("What the discriminator thinks", `${MEANING(model)} Choose a picture to see what in it speaks for true and what for fake, beside the same map of a network that has learnt nothing.`));
  if (!model.judges) { root.append(el("p", {}, "This model came without its discriminator.")); return; }
  let alive = true, method = model.explains ? "occlusion" : null, chosen = null;
  const fakes = el("div", { class: "wall large" }), trues = el("div", { class: "wall large" }), scale = el("div"), own = el("div", { class: "wall large" });
  const detail = el("div", { class: "card", hidden: true }), dots = { fake: [], true: [], yours: [] };

  const place = async (pictures, where, kind, names) => {
    const logits = await model.judge(pictures);
    if (!alive) return logits;
    if (kind !== "yours") { where.replaceChildren(); dots[kind] = []; } // own ones are added to those before
    const on = scores(logits, model);
    where.append(...pictures.map((picture, i) => el("div", {}, tile(picture, `${names[i]}, ${model.probability ? "score " : ""}${answer(logits[i], model)}: explain`, () => choose(picture, names[i], logits[i])), scoreLine(on[i], answer(logits[i], model)))));
    dots[kind].push(...logits);
    scale.replaceChildren(line(dots, model));
    return logits;
  };
  const drawFakes = newest(async (stale) => {
    const mine = samples(seed, 16, model, model.askable), pictures = [];
    for (let i = 0; i < 16; i += 8) {
      pictures.push(...await model.draw(mine.slice(i, i + 8)));
      if (stale() || !alive) return;
    }
    await place(pictures, fakes, "fake", mine.map((s) => `Fake sample ${s.name}`));
  });
  const readFile = async (file) => {
    try {
      const { picture, note } = await model.read(file);
      const [logit] = await place([picture], own, "yours", ["Your picture"]);
      wrong.textContent = "";
      if (note) toast(note);
      await choose(picture, "Your picture", logit);
    } catch (error) { wrong.textContent = error.message; }
    input.value = ""; // the same file may be given again
  };
  const wrong = el("p", { class: "wrong", role: "alert" });
  const input = el("input", { type: "file", accept: "image/*", class: "hidden", id: "own", onchange: () => input.files[0] && readFile(input.files[0]) });
  const drop = el("div", { class: "drop", ondragover: (e) => { e.preventDefault(); drop.classList.add("over"); }, ondragleave: () => drop.classList.remove("over"), ondrop: (e) => { e.preventDefault(); drop.classList.remove("over"); if (e.dataTransfer.files[0]) readFile(e.dataTransfer.files[0]); } },
    el("p", {}, "Drop a picture here, or ", el("label", { for: "own", class: "button" }, "choose a file"), input),
    el("p", { class: "note" }, `It is cropped to the middle square and shrunk to ${model.size}×${model.size}, as in training. ${studio.form === "server" ? "It goes to the studio's server and is not kept." : "It stays in your browser."}${model.rows ? ` This discriminator is told what a picture shows: yours is judged as “${model.inWords(model.askable[0]) || "one of the training images"}”. Another can be chosen under Ask.` : ""}`), wrong, own);

  const choose = async (picture, name, logit) => {
    chosen = { picture, name, logit };
    past = null;
    detail.hidden = false;
    await explain();
    detail.scrollIntoView({ behavior: "smooth", block: "nearest" });
  };
  let turn = 0, past = null; // of the chosen picture: its logits over the training, asked for once
  const explain = async () => {
    const mine = ++turn, { picture, name, logit } = chosen;
    const told = model.rows ? model.inWords(model.told(picture)) : "";
    const [p] = scores([logit], model), verdict = el("p", {}, `${name}${told ? `, judged as “${told}”` : ""}: ${model.probability ? "probability of true " : "logit "}`, el("b", { class: model.undecided === null ? "" : p < 0.5 ? "is-fake-text" : "is-true" }, (model.probability ? p : logit).toFixed(3)), model.probability ? ` (logit ${logit.toFixed(2)}).` : ".");
    const maps = el("div", { class: "maps" }, el("figure", {}, canvasOf(picture), el("figcaption", {}, "The picture")));
    const buttons = el("div", { class: "row", role: "group", "aria-label": "How to explain" }, Object.entries(METHODS).map(([key, [title]]) => el("button", { type: "button", class: "small", "aria-pressed": String(key === method), onclick: () => { method = key; explain(); } }, title)));
    const about = el("p", { class: "note" }), over = el("div");
    const again = refocus(detail);
    detail.replaceChildren(el("h2", {}, "Why?"), verdict, ...(model.explains ? [buttons, maps, el("div", { class: "legend", hidden: method === "guided" }, el("span", { class: "is-true" }, el("b", { class: "key-true" }), "speaks for true"), el("span", { class: "is-fake-text" }, el("b", { class: "key-fake" }), "speaks for fake")), about] : [maps, el("p", { class: "note" }, "A conditional discriminator judges a picture by what it is told, too: it is not looked into.")]), over);
    again();
    if (model.overTime && model.kind === "run") (past ??= model.overTime(picture)).then((found) => found.logits.length > 1 && mine === turn && over.replaceChildren(el("h3", {}, `Its ${model.probability ? "score" : "logit"} by the discriminator of each ${found.unit} that was kept`),
      chart({ label: "This picture over the training", series: [{ name: model.probability ? "score" : "logit", colour: "var(--mark)", x: found.logits.map((l) => l[0]), y: model.probability ? scores(found.logits.map((l) => l[1]), model) : found.logits.map((l) => l[1]) }], ...(model.probability ? { low: 0, high: 1 } : {}), unit: found.unit }).node)).catch(() => { past = null; });
    if (!model.explains) return;
    try {
      const [trained, random] = [await model.explain(picture, method, "trained"), await model.explain(picture, method, "random")];
      if (mine !== turn || !alive) return;
      const draw = (found) => canvasOf(method === "guided" ? gradient(found.values, model.size) : overlay(picture, found.values, found.side));
      maps.append(el("figure", {}, draw(trained), el("figcaption", {}, `${METHODS[method][0]}, the trained network`)), el("figure", {}, draw(random), el("figcaption", {}, "Control: random weights")));
      const alike = rankCorrelation(trained.values, random.values);
      about.textContent = `${METHODS[method][1]} Rank correlation with the control: ${Number.isNaN(alike) ? "none, a map is constant" : alike.toFixed(2)}. A map that stays the same under random weights shows the picture, not what was learnt.`;
    } catch (error) { toast(error.message); }
  };

  root.append(
    el("div", { class: "card" }, el("h2", {}, "Logits: how sure it is, and of what"), scale, el("p", { class: "note" }, "In inference mode: each picture is judged alone, with averages that training has kept. In training it saw whole batches, all true or all fake, and was surer.")),
    detail,
    el("div", { class: "two" },
      el("div", { class: "card" }, el("div", { class: "row" }, el("h2", {}, "Fake: drawn by the generator"), el("button", { type: "button", class: "small", onclick: () => { seed += 1; drawFakes(); } }, "Others")), fakes),
      el("div", { class: "card" }, el("h2", {}, `True: ${model.data}`), trues)),
    el("div", { class: "card" }, el("h2", {}, "Your own picture"), drop), history(studio, () => alive));
  const fetchTrue = async () => {
    if (model.true) {
      trues.append(el("p", { class: "note" }, "Fetching true images; the first time they are drawn, which takes some seconds…"));
      const kept = (await model.truePictures()).slice(0, 16);
      if (alive) await place(kept, trues, "true", kept.map((_, i) => `True image ${i}`));
    } else trues.replaceChildren(el("p", { class: "note" }, "Not shown here: only drawings that come with the project may be passed on."));
  };
  const both = () => drawFakes().then(fetchTrue).catch((error) => { toast(error.message); whenBack(both); if (alive && !trues.querySelector("canvas")) trues.replaceChildren(el("p", { class: "note" }, error.message)); });
  both();
  return () => { alive = false; };
}

// All logits on one line: fakes above, true images below.
function line(dots, { undecided, probability }) {
  // Beyond ±10 a probability is 0 or 1; logits of other losses have a size of their own.
  const end = probability ? 10 : Math.ceil(Math.max(1, ...Object.values(dots).flat().map(Math.abs)));
  const width = innerWidth < 760 ? 400 : 800, at = (logit) => 40 + ((Math.max(-end, Math.min(end, logit)) + end) / (2 * end)) * (width - 60);
  const colours = { fake: "var(--fake)", true: "var(--true)", yours: "var(--ink)" }, rows = { fake: 22, yours: 40, true: 58 };
  const marks = Object.entries(dots).flatMap(([kind, logits]) => logits.map((logit) => svg("circle", { cx: at(logit), cy: rows[kind], r: kind === "yours" ? 7 : 5.5, fill: colours[kind], "fill-opacity": kind === "yours" ? 1 : 0.55 })));
  const ticks = [-end, -end / 2, undecided ?? 0, end / 2, end].flatMap((v) => {
    const text = svg("text", { x: at(v), y: 94, "text-anchor": "middle" });
    text.textContent = v === undecided ? `${v}: undecided` : v > 0 ? `+${v}` : `${v}`;
    return [svg("line", { x1: at(v), x2: at(v), y1: 8, y2: 76, class: "axis" }), text];
  });
  const words = [["fake", 8, 26], ["true", 8, 62]].map(([word, x, y]) => { const text = svg("text", { x, y }); text.textContent = word; return text; });
  return svg("svg", { viewBox: `0 0 ${width} 100`, class: "chart", role: "img", "aria-label": `Logits of ${dots.fake.length} fake and ${dots.true.length} true pictures` }, ...ticks, ...marks, ...words);
}

// Mean scores of true and fake samples over the training, of a run.
function history(studio, alive) {
  const box = el("div");
  if (studio.model.kind !== "run") return box;
  json(`runs/${studio.model.id}/run.json`).then((run) => {
    const x = run.summaries[run.unit];
    if (!alive() || !x || x.length < 2) return;
    const scored = run.grids.filter((number) => x.includes(number)), places = new Set([0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * (scored.length - 1))));
    const score = (name, number) => run.summaries[name]?.[x.indexOf(number)]?.toFixed(2) ?? "?";
    const snapshots = scored.length ? [...places].map((place) => scored[place]).map((number) => el("figure", {},
      el("img", { class: "grid-image", loading: "lazy", src: gridOf(studio.model.id, run, number), alt: `Samples at ${run.unit} ${number}` }),
      el("figcaption", {}, `${run.unit} ${number.toLocaleString("en")}: `, el("span", { class: "is-true" }, `true ${score("score_true", number)}`), ", ", el("span", { class: "is-fake-text" }, `fake ${score("score_fake", number)}`)))) : [];
    box.replaceChildren(el("div", { class: "card" }, el("h2", {}, "Over the training: mean scores of true and of fake samples"), el("div", { class: "snapshots" }, snapshots), chart({ label: "Mean scores over the training", unit: run.unit, low: 0, high: 1, series: [{ name: "true", colour: "var(--true)", x, y: run.summaries.score_true }, { name: "fake", colour: "var(--fake)", x, y: run.summaries.score_fake }] }).node));
  }).catch(() => {});
  return box;
}
