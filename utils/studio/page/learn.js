// Learn: a short tour on the live model.

import { chart } from "./charts.js";
import { samples } from "./latents.js";
import { json } from "./networks.js";
import { el, gridOf, newest, scoreLine, toast, whenBack } from "./page.js";
import { canvasOf, paint, tile } from "./pictures.js";
import { answer, scores } from "./statistics.js";

let now = 0;

export function show(root, studio) {
  const { model } = studio;
  let alive = true, sample = samples(0, 1, model, model.askable)[0];
  const steps = [latents, generator, discriminator, losses, game, next].map((make) => make());
  const place = el("p", { class: "note" }), back = el("button", { type: "button", onclick: () => go(now - 1) }, "Back"), on = el("button", { type: "button", class: "main", onclick: () => go(now + 1) }, "Next");
  const begin = () => Promise.resolve(steps[now].begin?.()).catch((error) => { toast(error.message); whenBack(() => alive && begin()); });
  const go = (to) => {
    now = Math.min(steps.length - 1, Math.max(0, to));
    steps.forEach((step, i) => step.node.classList.toggle("now", i === now));
    const held = document.activeElement; // a button that is hidden or disabled loses the focus
    [back.disabled, on.hidden] = [now === 0, now === steps.length - 1];
    if (on.hidden && held === on) back.focus();
    if (back.disabled && held === back) on.focus();
    place.textContent = `${now + 1} of ${steps.length}`;
    scrollTo(0, 0);
    begin();
  };
  const listen = (event) => { if (!event.altKey && !event.ctrlKey && !event.metaKey && !["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) { if (event.key === "ArrowRight") go(now + 1); if (event.key === "ArrowLeft") go(now - 1); } };
  document.addEventListener("keydown", listen);
  root.append(...steps.map((step) => step.node), el("div", { class: "steps" }, back, place, on));
  go(now);
  return () => { alive = false; document.removeEventListener("keydown", listen); };

  function step(title, words, ...things) {
    return el("section", { class: "step" }, el("h1", {}, title), el("div", { class: "side" }, el("div", {}, words.map((text) => el("p", { class: "prose" }, text))), el("div", {}, things)));
  }

  function latents() {
    const big = el("canvas", { role: "img", "aria-label": "What the generator draws from these numbers", width: model.size, height: model.size });
    let chosen = 0;
    const bars = el("div", { class: "bars", tabindex: 0, role: "slider", "aria-label": "One of the latents: left and right choose another, up and down change it", "aria-orientation": "vertical", "aria-valuemin": -3, "aria-valuemax": 3 });
    const draw = newest(async () => {
      bars.setAttribute("aria-valuenow", sample.z[chosen].toFixed(2));
      bars.setAttribute("aria-valuetext", `Number ${chosen + 1} of ${model.latent_dim}: ${sample.z[chosen].toFixed(2)}`);
      [...bars.children].forEach((bar, i) => bar.classList.toggle("chosen", i === chosen));
      [...bars.children].forEach((bar, i) => { bar.style.height = `${Math.min(100, 4 + (model.latents === "uniform" ? 96 : 36) * Math.abs(sample.z[i]))}%`; bar.style.opacity = sample.z[i] < 0 ? 0.4 : 1; });
      paint(big, (await model.draw([sample]))[0]);
    });
    bars.append(...Array.from(sample.z, () => el("i")));
    const drag = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = bars.getBoundingClientRect(), i = Math.floor(((event.clientX - box.left) / box.width) * model.latent_dim);
      if (i < 0 || i >= model.latent_dim) return;
      change(i, 6 * (0.5 - (event.clientY - box.top) / box.height));
    };
    const change = (i, value) => {
      const most = model.latents === "uniform" ? 1 : 3;
      chosen = i;
      sample = { ...sample, z: sample.z.slice() };
      sample.z[i] = Math.min(most, Math.max(-most, value));
      draw();
    };
    bars.addEventListener("keydown", (event) => {
      const [to, by] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 0.25], ArrowDown: [0, -0.25] }[event.key] ?? [0, 0];
      if (!to && !by) return;
      event.preventDefault();
      event.stopPropagation(); // left and right also turn the pages of the tour
      const i = (chosen + to + model.latent_dim) % model.latent_dim;
      change(i, sample.z[i] + by);
    });
    bars.addEventListener("pointerdown", drag);
    bars.addEventListener("pointermove", drag);
    return { begin: draw, node: step("It begins with numbers", [`A picture starts as ${model.latent_dim} random numbers: the latents. Each bar is one of them, pale where it is negative.`, "They mean nothing by themselves. Training gives them a meaning: it makes each set of numbers stand for a picture that could be in the data.", "Drag over the bars (or use the arrow keys on them), or draw others, and watch the picture change. One number changes little; all together decide."],
      el("div", { class: "card" }, el("div", { class: "big" }, big), bars, el("p", {}), el("button", { type: "button", onclick: () => { sample = samples(Math.floor(Math.random() * 1e6), 1, model, model.askable)[0]; draw(); } }, "Other numbers"))) };
  }

  function generator() {
    const wall = el("div", { class: "wall" });
    return { begin: async () => { if (wall.children.length) return; const mine = samples(7, 24, model, model.askable); await model.drawAll(mine, (picture, i) => alive && wall.append(tile(picture, `Sample ${i}: to the table`, () => { studio.bring(mine[i]); studio.go("table"); }))); },
      node: step("The generator draws", ["The generator is a network that turns latents into pixels. It begins with a few large patches and doubles their number, layer after layer, by transposed convolutions, until there are enough for a picture.", "It never sees a true image. All that it learns, it learns from what the other network thinks of its drawings.", "Near latents give near pictures. So one can walk between two of them, and the pictures on the way are still pictures of the same kind."], el("div", { class: "card" }, wall)) };
  }

  function discriminator() {
    const rows = el("div", { class: "wall large" });
    return { begin: async () => {
      if (rows.children.length || !model.judges) { if (!model.judges) rows.replaceChildren(el("p", {}, "This model came without its discriminator.")); return; }
      const mine = samples(3, 6, model, model.askable), fakes = await model.draw(mine), trues = model.true ? (await model.truePictures().catch(() => [])).slice(20, 26) : []; // they may not have been fetched
      const all = [...fakes, ...trues], logits = await model.judge(all);
      const on = scores(logits, model);
      if (alive) rows.replaceChildren(...all.map((picture, i) => el("figure", {}, canvasOf(picture), scoreLine(on[i], answer(logits[i], model)), el("figcaption", {}, i < 6 ? "fake" : "true"))));
    }, node: step("The discriminator judges", [`The second network looks at a picture and says ${model.probability ? "how probable it is that it comes from the data: 1 is true, 0 is fake" : "with a number whether it comes from the data: the higher, the truer"}. It is shown both kinds, and told which is which.`, "Below each picture is what it says. It is often right, and sometimes not: that is how it should be. If it were always right, the generator could learn nothing from it.", "Under Judge you see what in a picture it goes by."], el("div", { class: "card" }, rows)) };
  }

  function losses() {
    const scores = { true: 0.8, fake: 0.2 }, figure = el("div"), said = el("p", {});
    const curve = (f) => Array.from({ length: 99 }, (_, i) => f((i + 1) / 100)), x = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
    const draw = () => {
      const made = chart({ label: "The two losses", unit: "score of the fake, D(G(z))", low: 0, high: 4.6, series: [{ name: "discriminator: −log(1 − D(G(z)))", colour: "var(--true)", x, y: curve((p) => -Math.log(1 - p)) }, { name: "generator: −log D(G(z))", colour: "var(--fake)", x, y: curve((p) => -Math.log(p)) }] });
      made.mark(scores.fake);
      figure.replaceChildren(made.node);
      const d = -Math.log(scores.true) - Math.log(1 - scores.fake), g = -Math.log(scores.fake);
      said.textContent = `Discriminator's loss: ${(-Math.log(scores.true)).toFixed(2)} for the true one + ${(-Math.log(1 - scores.fake)).toFixed(2)} for the fake one = ${d.toFixed(2)}. Generator's loss: ${g.toFixed(2)}.`;
    };
    const slide = (key, name) => { const input = el("input", { type: "range", min: 0.01, max: 0.99, step: 0.01, value: scores[key], "aria-label": name }), output = el("output", {}, scores[key].toFixed(2)); input.addEventListener("input", () => { scores[key] = Number(input.value); output.textContent = scores[key].toFixed(2); draw(); }); return el("label", { class: "slider" }, el("span", {}, name), input, output); };
    return { begin: draw, node: step("Two losses pull on one number", ["The discriminator wants the score of true images to be 1 and that of fakes to be 0. The generator wants the score of its fakes to be 1. Both go by the same number, D(G(z)), and pull it in opposite directions.", "Move it. Where the fake is found out (left), the generator's curve is steep: it has much to learn from its mistakes. That is why its loss is written with −log D(G(z)), and not as the opposite of the discriminator's.", "Neither loss says how good the pictures are. When both are at 0.69, the score is 0.5: the discriminator is guessing."],
      el("div", { class: "card" }, figure, el("p", {}), slide("true", "a true image"), slide("fake", "a fake"), said)) };
  }

  function game() {
    const box = el("div", { class: "card" }), run = studio.offers.find((offer) => offer.kind === "run");
    return { begin: async () => {
      if (box.children.length) return;
      if (!run) { box.append(el("p", {}, "Every update shows the discriminator a batch of true and of fake images, then lets the generator learn from its answer. After some thousand updates, noise has become what you see under Draw."), el("p", { class: "note" }, "Train a run and open it here, and this step shows its pictures: ./dcgan train, then ./dcgan studio.")); return; }
      const about = await json(`runs/${run.id}/run.json`), image = el("img", { class: "grid-image", alt: "" }), caption = el("p", { class: "caption" });
      if (!about.grids.length) { box.append(el("p", {}, "The newest run has drawn nothing yet.")); return; }
      const put = (i) => { const number = about.grids[i]; image.src = gridOf(run.id, about, number); image.alt = `Samples at ${about.unit} ${number}`; caption.textContent = `${about.title}, ${about.unit} ${number.toLocaleString("en")}`; };
      const input = el("input", { type: "range", min: 0, max: about.grids.length - 1, step: 1, value: 0, "aria-label": "When", oninput: () => put(Number(input.value)) });
      put(0);
      box.append(image, caption, input);
    }, node: step("They learn from each other", ["In every update the discriminator looks at a batch of true and a batch of fake images and gets a little better. Then the generator changes its weights a little, in the direction that would have raised the scores of its fakes.", "No one tells the generator what a picture is. As the discriminator learns to see more, the generator has to draw more.", "It can go wrong: the discriminator may win for good, or the generator may draw one picture over and over. The doctor under Watch looks out for that."], box) };
  }

  function next() {
    const rooms = [["draw", "Draw", "a wall of samples"], ["table", "Table", "directions, walks, sums of pictures"], ["judge", "Judge", "scores, and where they come from"], ["guess", "Guess", "can you tell true from fake?"], ["watch", "Watch", "how a training goes"]];
    return { node: step("Your turn", ["That is all there is to it: numbers, two networks, two losses.", "What they have learnt is best found out by trying."], el("div", { class: "card" }, rooms.map(([room, name, about]) => el("p", {}, el("a", { href: `#${room}` }, name), `: ${about}`)))) };
  }
}
