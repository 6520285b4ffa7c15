// Draw: a wall of samples.

import { npy, samples } from "./latents.js";
import { el, field, heading, newest, toast } from "./page.js";
import { save, savePng, sheet, tile } from "./pictures.js";

const state = { seed: 0, count: 48 };

export function show(root, studio) {
  const { model } = studio;
  const wall = el("div", { class: "wall", role: "list", "aria-label": "Samples" }), command = el("p", { class: "note" });
  const seed = el("input", { type: "number", min: 0, max: 4294967295, step: 1, value: state.seed });
  const count = el("select", {}, [12, 24, 48, 96, 192].map((n) => el("option", { value: n, selected: n === state.count }, `${n} pictures`)));
  let drawn = [], pictures = [], alive = true;
  const draw = newest(async (stale) => {
    seed.value = state.seed = Math.min(4294967295, Math.max(0, Math.floor(Number(seed.value) || 0)));
    state.count = Number(count.value);
    drawn = samples(state.seed, state.count, model, model.askable);
    pictures = [];
    wall.replaceChildren(...drawn.map(() => el("div", { role: "listitem" }, el("div", { class: "empty" }))));
    command.replaceChildren("The same in a terminal: ", el("code", {}, `./dcgan sample ${model.title} -n ${state.count} --seed ${state.seed}`));
    command.hidden = Boolean(model.conditions);
    await model.drawAll(drawn, (picture, i) => {
      if (stale() || !alive) return false;
      pictures[i] = picture;
      const bring = () => { studio.bring(drawn[i]); studio.go("table"); };
      wall.children[i].replaceChildren(tile(picture, `Sample ${drawn[i].name}: to the table`, bring));
      if (i === 0) performance.mark("first picture");
    });
  });
  const another = () => { seed.value = Math.floor(Math.random() * 100000); draw(); };
  const savePictures = () => {
    if (pictures.filter(Boolean).length < drawn.length) { toast("The pictures are still being drawn."); return; }
    savePng(sheet(pictures, Math.min(16, Math.ceil(Math.sqrt(drawn.length)))), `${name()}.png`);
  };
  const name = () => `${model.id}-${state.count}-seed-${state.seed}`;
  root.append(
    ...heading("Pictures that nobody has taken", `The generator turns ${model.latent_dim} random numbers, the latents, into a picture of ${model.size}×${model.size} pixels. Each tile has latents of its own; click one to bring it to the table.`),
    el("div", { class: "row bar" },
      field("Seed", seed), field("How many", count),
      el("button", { type: "button", class: "main", onclick: another }, "Others"),
      el("button", { type: "button", onclick: savePictures }, "Save PNG"),
      el("button", { type: "button", onclick: () => drawn.length && save(npy(drawn.map((s) => s.z)), `${name()}.npy`) }, "Save latents")),
    wall, el("p", {}), command);
  seed.addEventListener("change", draw);
  count.addEventListener("change", draw);
  draw();
  return () => { alive = false; };
}
