// Ask: what a conditional model is told to draw.

import { samples } from "./latents.js";
import { el, field, heading, newest } from "./page.js";
import { tile } from "./pictures.js";

const ANSWERS = { "": "open", 1: "with", 0: "without" };

export function show(root, studio) {
  const { model } = studio;
  if (!model.conditions) {
    root.append(...heading("Ask", "This model draws whatever it likes. Models that were trained with --conditions can be asked for a class, for attributes or in words."));
    return;
  }
  const { kind } = model.conditions, names = model.conditions.names.map((name) => (kind === "text" ? name : name.replaceAll("_", " ")));
  const wall = el("div", { class: "wall" }), said = el("p", { class: "note", role: "status" }), wanted = new Map(model.asked?.wanted);
  let alive = true;
  const draw = newest(async (stale) => {
    const mine = samples(0, 32, model, model.askable);
    wall.replaceChildren(...mine.map(() => el("div", { class: "empty" })));
    await model.drawAll(mine, (picture, i) => {
      if (stale() || !alive) return false;
      wall.children[i]?.replaceWith(tile(picture, `Sample ${mine[i].name}: to the table`, () => { studio.bring(mine[i]); studio.go("table"); }));
    });
  });
  const say = () => {
    said.classList.remove("wrong");
    said.textContent = model.asked ? [`Asked for: ${model.asked.words}.`, model.asked.sentence, "The other rooms go by it, too."].filter(Boolean).join(" ") : "Nothing is asked for: conditions are as they occur in the training data.";
  };
  const ask = (rows, words, sentence = "") => {
    model.asked = rows && { rows, words, sentence, wanted: [...wanted] };
    say();
    studio.bench = samples(0, 12, model, model.askable);
    studio.chosen = 0;
    draw();
  };
  const oneHot = (place) => Float32Array.from(names, (_, i) => Number(i === place));
  const controls = {
    labels: () => field("Class", el("select", { onchange: (event) => (event.target.value === "" ? ask(null) : ask([oneHot(Number(event.target.value))], names[event.target.value])) },
      el("option", { value: "" }, "all"), names.map((name, i) => el("option", { value: i, selected: model.asked?.words === name }, name)))),
    attributes: () => el("div", { class: "field" }, el("p", { class: "note" }, "Click once for with, twice for without, three times to leave it open."),
      el("div", { class: "chips" }, names.map((name, i) => el("button", { type: "button", "data-value": String(wanted.get(i) ?? ""), "aria-label": `${name}: ${ANSWERS[wanted.get(i) ?? ""]}`, onclick: (event) => {
        const button = event.currentTarget, next = { "": "1", "1": "0", "0": "" }[button.dataset.value];
        button.dataset.value = next;
        button.setAttribute("aria-label", `${name}: ${ANSWERS[next]}`);
        if (next === "") wanted.delete(i); else wanted.set(i, Number(next));
        attributesAsked();
      } }, name)))),
    text: () => {
      const own = model.asked && !names.includes(model.asked.words) ? model.asked.words : null;
      const input = el("input", { type: "text", name: "text", size: 42, maxlength: 300, value: own, placeholder: "a smiling woman with red hair" });
      const select = el("select", { onchange: () => {
        input.value = "";
        if (select.value === "") ask(null); else ask([model.rows[Number(select.value)]], names[select.value]);
      } }, el("option", { value: "" }, "any"), names.map((name, i) => el("option", { value: i, selected: model.asked?.words === name }, name)));
      const none = () => { select.selectedIndex = -1; }; // so that each of its sentences can be chosen
      if (own !== null) none();
      return el("div", {}, field("One of its sentences", select), el("form", { class: "row bar", onsubmit: async (event) => {
        event.preventDefault();
        const text = input.value.trim();
        try {
          const c = text && await model.condition(text);
          if (c && alive) { ask([c], text); none(); } // else another model was chosen meanwhile
        } catch (error) { said.textContent = error.message; said.classList.add("wrong"); }
      } }, field("In your words", input), el("button", { class: "main" }, "Draw")));
    },
  };
  // What is not named is as in training images that have what is named; else as in the nearest ones.
  const attributesAsked = () => {
    if (!wanted.size) { ask(null); return; }
    const agreeing = model.rows.map((row) => [...wanted].reduce((sum, [i, value]) => sum + (row[i] === value), 0)), most = Math.max(...agreeing);
    const rows = model.rows.filter((_, i) => agreeing[i] === most).map((row) => { const made = Float32Array.from(row); wanted.forEach((value, i) => { made[i] = value; }); return made; });
    const words = [...wanted].map(([i, value]) => `${value ? "with" : "without"} ${names[i]}`).join(", ");
    ask(rows, words, `What is not named is as in ${rows.length} of the ${model.rows.length} training images whose conditions are kept here: ${most === wanted.size ? "those that have this" : "none of them has this, and these are the nearest"}.`);
  };
  root.append(...heading("Ask for it", "This generator was told, for every training image, what is on it. So it can be told what to draw; the latents decide the rest."),
    el("div", { class: "card" }, controls[kind](), said), wall);
  say();
  draw();
  return () => { alive = false; };
}
