// Table: directions, walks, the way between two, arithmetic.

import { between, mean, moved, npy, Random, samples } from "./latents.js";
import { el, field, heading, newest, refocus, toast, whenBack } from "./page.js";
import { canvasOf, paint, save, savePng, tile } from "./pictures.js";

const KINDS = { regression: ["Attributes", true], conditional: ["Attributes, each without the others", false], SeFa: ["SeFa: what the first layer stretches most", false], PCA: ["Principal components of activations", false] };
const NOISE = 0.25; // Radford, Metz, Chintala, Fig 7
// Of films, the first that the browser can write: MP4 plays nearly everywhere; a Chromium without H.264 writes WebM.
const FORMATS = [["video/mp4;codecs=avc1.42E01E", "mp4", "MP4"], ["video/webm;codecs=vp9", "webm", "WebM"], ["video/webm;codecs=vp8", "webm", "WebM"]];

export function show(root, studio) {
  const { model } = studio;
  const bench = el("div", { class: "strip", role: "group", "aria-label": "Pictures on the table" });
  const drawn = new Map(); // sample -> picture
  const chosen = () => studio.bench[Math.min(studio.chosen, studio.bench.length - 1)];
  let alive = true;

  const pictureOf = async (sample) => {
    if (!drawn.has(sample)) drawn.set(sample, (await model.draw([sample]))[0]);
    return drawn.get(sample);
  };

  // --- the bench: pictures to work with
  const fill = newest(async () => {
    const missing = studio.bench.filter((sample) => !drawn.has(sample));
    await model.drawAll(missing, (picture, i) => { drawn.set(missing[i], picture); });
    if (!alive) return;
    bench.replaceChildren(...studio.bench.map((sample, i) => tile(drawn.get(sample), `Sample ${sample.name}`, () => choose(i), {
      draggable: "true", "aria-pressed": String(i === studio.chosen),
      ondragstart: (event) => event.dataTransfer.setData("text/plain", String(i)),
      onkeydown: (event) => key(event, i),
    })));
  });
  const choose = (i, focus = false) => {
    studio.chosen = i;
    [...bench.children].forEach((one, j) => one.setAttribute("aria-pressed", String(i === j)));
    if (focus) bench.children[i]?.focus();
    turn();
  };
  const key = (event, i) => {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: studio.bench.length - 1 }[event.key];
    if (to !== undefined && studio.bench[to]) { event.preventDefault(); choose(to, true); }
    if (["1", "2", "3"].includes(event.key)) { put(Number(event.key) - 1, studio.bench[i]); }
  };
  const more = () => {
    const before = chosen();
    studio.bench = [...studio.bench, ...samples(Math.floor(Math.random() * 1e6), 12, model, model.askable)].slice(-48);
    studio.chosen = Math.max(0, studio.bench.indexOf(before)); // the first make room, and the others move up
    fill();
    turn();
  };

  // --- sliders
  const strengths = new Map(), big = el("canvas", { width: model.size, height: model.size, role: "img", "aria-label": "The picture that the sliders change" });
  const caption = el("p", { class: "caption" });
  const current = () => ({ ...chosen(), z: moved(chosen().z, [...strengths], model) });
  const turn = newest(async () => {
    if (!alive || !chosen()) return;
    const sample = current(), [picture] = await model.draw([sample]);
    paint(big, picture);
    studio.drawn = (studio.drawn ?? 0) + 1; // pictures drawn along sliders: tests read it
    caption.textContent = `Sample ${sample.name}${[...strengths.values()].some(Boolean) ? ", moved" : ""}`;
  });
  const inputs = [];
  const slider = (direction) => {
    const output = el("output", {}, "0"), label = direction.kind === "SeFa" || direction.kind === "PCA" ? `component ${direction.name}` : direction.name;
    const input = el("input", { type: "range", min: -6, max: 6, step: 0.1, value: 0, "aria-label": direction.title });
    const read = () => { strengths.set(direction.vector, Number(input.value)); output.textContent = Number(input.value).toFixed(1); };
    input.addEventListener("input", () => { read(); turn(); });
    inputs.push(() => { input.value = 0; read(); });
    return el("label", { class: "slider" }, el("span", {}, label), input, output);
  };
  const sliders = el("div", {}, el("p", { class: "note" }, "Looking for directions; the first time that takes some seconds…"));
  const steer = (directions) => {
    const groups = Object.entries(KINDS).map(([kind, [title, open]]) => [title, open, directions.filter((d) => d.kind === kind)]).filter(([, , found]) => found.length);
    const named = directions.some((d) => d.kind === "regression"), without = model.conditions
      ? "This model is told what to draw: under Ask. Its latents are walked below."
      : !named && `Directions with names need a classifier: after ./dcgan directions ${model.title} they are here, too.`;
    sliders.replaceChildren(...groups.map(([title, open, found], i) => el("details", { open: open || i === 0 }, el("summary", {}, title), found.map(slider))),
      el("p", { class: "note" }, [without, groups.length ? "In standard deviations of the latents. What goes along with a direction (a beard with short hair, say) goes along in the data, too." : ""].filter(Boolean).join(" ")));
  };
  const level = () => { inputs.forEach((reset) => reset()); turn(); };
  const keep = () => { studio.bring({ ...current(), name: `${chosen().name}, moved` }); level(); fill(); toast("A copy is on the table."); };

  // --- a random walk
  const film = el("canvas", { width: model.size, height: model.size, role: "img", "aria-label": "A walk through the latents" });
  let walking = false, walk = 0, recorder = null;
  const play = el("button", { type: "button", class: "main", "aria-pressed": "false" }, "Walk");
  const speed = el("input", { type: "range", min: 0.1, max: 2, step: 0.1, value: 0.5, "aria-label": "Speed" });
  const path = { from: null, to: null, at: 0, random: new Random(Date.now() % 4294967296) };
  const next = () => samples(path.random.next32(), 1, model, model.rows ? [chosen().c] : null)[0];
  const step = async () => {
    const mine = ++walk; // of two loops, the earlier may still wait for its picture: it ends
    let before = performance.now();
    path.from ??= chosen();
    path.to ??= next();
    while (walking && alive && mine === walk) {
      const [picture] = await model.draw([{ z: between(path.from.z, path.to.z, path.at, model.latents), c: path.from.c }]);
      if (mine !== walk) return;
      paint(film, picture);
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      path.at += ((now - before) / 1000) * Number(speed.value);
      before = now;
      if (path.at >= 1) [path.from, path.to, path.at] = [path.to, next(), 0];
    }
  };
  play.addEventListener("click", () => {
    walking = !walking;
    play.setAttribute("aria-pressed", String(walking));
    play.textContent = walking ? "Stop" : "Walk";
    if (walking) { path.from = path.to = null; path.at = 0; step().catch((error) => toast(error.message)); }
  });
  const record = el("button", { type: "button" }, "Record film"), format = window.MediaRecorder && film.captureStream && FORMATS.find(([type]) => MediaRecorder.isTypeSupported(type));
  record.hidden = !format;
  record.addEventListener("click", () => {
    if (recorder) { recorder.stop(); return; }
    const large = el("canvas", { width: 256, height: 256 }), context = large.getContext("2d");
    const copy = () => { context.drawImage(film, 0, 0, 256, 256); if (recorder) requestAnimationFrame(copy); };
    const parts = [];
    recorder = new MediaRecorder(large.captureStream(25), { mimeType: format[0] });
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = () => { recorder = null; record.textContent = "Record film"; save(new Blob(parts, { type: format[0].split(";")[0] }), `${model.id}-walk.${format[1]}`); };
    recorder.start();
    copy();
    record.textContent = "Stop and save";
    if (!walking) play.click();
  });

  // --- between two
  const ends = [el("div"), el("div")], middle = el("canvas", { width: model.size, height: model.size, role: "img", "aria-label": "On the way" });
  const share = el("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0.5, "aria-label": "How far from the left to the right picture" });
  const two = [null, null];
  const way = newest(async () => {
    two[0] ??= studio.bench[0];
    two[1] ??= studio.bench[1] ?? studio.bench[0];
    for (const i of [0, 1]) {
      const end = tile(await pictureOf(two[i]), `${i ? "Right" : "Left"} end: sample ${two[i].name}. Puts the chosen picture here.`, () => { two[i] = chosen(); way(); }, {
        ondragover: (event) => event.preventDefault(), ondrop: (event) => { event.preventDefault(); two[i] = dropped(event) ?? two[i]; way(); } });
      const again = refocus(ends[i]);
      ends[i].replaceChildren(end);
      again();
    }
    const at = Number(share.value);
    paint(middle, (await model.draw([{ z: between(two[0].z, two[1].z, at, model.latents), c: at < 0.5 ? two[0].c : two[1].c }]))[0]);
  });
  share.addEventListener("input", way);

  // --- arithmetic
  const dropped = (event) => studio.bench[parseInt(event.dataTransfer.getData("text/plain"), 10)]; // undefined of a file
  const wells = [[1, "Add"], [-1, "Take away"], [1, "Add"]].map(([sign, verb], i) => ({ sign, verb, samples: [], node: el("div", { class: "well" }), i }));
  const nine = el("div", { class: "nine", role: "group", "aria-label": "The result in the middle, with noise around it" });
  let result = null;
  const put = (i, sample) => { if (!sample) return; wells[i].samples = [...wells[i].samples, sample].slice(-6); add(); };
  const add = newest(async () => {
    for (const well of wells) {
      const means = well.samples.length ? { z: mean(well.samples.map((s) => s.z)), c: well.samples[0].c } : null;
      const exemplars = await Promise.all(well.samples.map(async (sample, j) => tile(await pictureOf(sample), `Sample ${sample.name}: take it out`, () => { well.samples.splice(j, 1); add(); })));
      const shown = means && (await model.draw([means]))[0];
      const again = refocus(well.node);
      well.node.replaceChildren(
        el("h3", {}, well.verb), el("div", { class: "exemplars" }, exemplars),
        ...(shown ? [el("div", { class: "mean" }, canvasOf(shown)), el("p", { class: "caption" }, `mean of ${well.samples.length}`)] : [el("p", { class: "note" }, "Drag pictures here.")]),
        el("button", { type: "button", class: "small", onclick: () => put(well.i, chosen()) }, "Put the chosen one here"));
      again();
      well.z = means?.z ?? null;
    }
    const filled = wells.filter((well) => well.z);
    if (!filled.length) { nine.replaceChildren(el("p", { class: "note" }, "The result appears here.")); return; }
    result = new Float32Array(model.latent_dim);
    for (const well of filled) for (let i = 0; i < result.length; i++) result[i] += well.sign * well.z[i];
    const random = new Random(0), c = filled.at(-1).samples[0].c;
    const around = Array.from({ length: 9 }, (_, place) => ({ z: result.map((v) => v + (place === 4 ? 0 : (2 * random.float() - 1) * NOISE)), c, name: "of a sum" }));
    const pictures = await model.draw(around);
    if (alive) nine.replaceChildren(...pictures.map((picture, i) => tile(picture, i === 4 ? "The result: to the table" : "With noise: to the table", () => { studio.bring({ ...around[i] }); fill(); choose(0); scrollTo({ top: 0, behavior: "smooth" }); })));
  });
  for (const well of wells) {
    well.node.addEventListener("dragover", (event) => { event.preventDefault(); well.node.classList.add("over"); });
    well.node.addEventListener("dragleave", () => well.node.classList.remove("over"));
    well.node.addEventListener("drop", (event) => { event.preventDefault(); well.node.classList.remove("over"); put(well.i, dropped(event)); });
  }
  let attributes = [];
  const fillWith = (direction) => { // the samples that lie furthest along a direction, and furthest the other way
    const along = samples(1, 400, model).map((sample) => [sample.z.reduce((sum, v, i) => sum + v * direction.vector[i], 0), sample]).sort((a, b) => b[0] - a[0]).map(([, sample]) => sample);
    [wells[0].samples, wells[1].samples, wells[2].samples] = [along.slice(0, 3), along.slice(-3), along.slice(-6, -3)];
    return add();
  };
  const example = el("select", { "aria-label": "An example", onchange: () => fillWith(attributes[Number(example.value)]) });
  const examples = el("div", { class: "field", hidden: true }, example);

  root.append(
    ...heading("On the table", "Every picture is a point among latents. Move it along a direction, walk from one to the next, or add and subtract points, as the paper did with glasses."),
    el("div", { class: "card bench" }, el("h2", {}, "Pictures to work with"), bench, el("div", { class: "row" },
      el("button", { type: "button", class: "small", onclick: more }, "12 more"),
      el("button", { type: "button", class: "small", onclick: () => save(npy([current().z]), `${model.id}-latents.npy`) }, "Save latents"),
      el("button", { type: "button", class: "small", onclick: () => savePng(big, `${model.id}-picture.png`) }, "Save PNG"),
      el("span", { class: "note" }, "Keys: ", el("kbd", {}, "←"), " ", el("kbd", {}, "→"), " choose; ", el("kbd", {}, "1"), " ", el("kbd", {}, "2"), " ", el("kbd", {}, "3"), " put it into the sum below."))),
    el("div", { class: "card" }, el("h2", {}, "Directions"), el("div", { class: "side" },
      el("div", {}, el("div", { class: "big" }, big), caption, el("div", { class: "row" }, el("button", { type: "button", class: "small", onclick: level }, "All to 0"), el("button", { type: "button", class: "small", onclick: keep }, "Keep a copy"))),
      sliders)),
    el("div", { class: "two" },
      el("div", { class: "card" }, el("h2", {}, "A random walk"), el("div", { class: "big" }, film), el("p", { class: "caption" }, `From sample to sample, at an even rate.${format ? ` A film is saved as ${format[2]}.` : ""}`), el("div", { class: "row" }, play, record, el("label", { class: "grow" }, el("span", { class: "hidden" }, "Speed"), speed))),
      el("div", { class: "card" }, el("h2", {}, "Between two"), el("div", { class: "big" }, middle), el("p", { class: "caption" }, "Click an end to put the chosen picture there, or drop one on it."), el("div", { class: "between" }, ends[0], share, ends[1]))),
    el("div", { class: "card" }, el("h2", {}, "Arithmetic"),
      el("p", { class: "note" }, "Three exemplars for each term make it steadier than one. Around the result: the same latents with noise of ±0.25."),
      examples,
      el("div", { class: "wells" }, wells[0].node, el("span", { class: "sign" }, "−"), wells[1].node, el("span", { class: "sign" }, "+"), wells[2].node, el("span", { class: "sign" }, "="), nine)));
  const open = async () => {
    await turn();
    await fill();
    await way();
    paint(film, await pictureOf(chosen()));
    add();
    const directions = await model.directions();
    if (!alive) return;
    steer(directions);
    attributes = directions.filter((d) => d.kind === "regression");
    examples.hidden = !attributes.length;
    example.replaceChildren(...attributes.map((d, i) => el("option", { value: i }, `${d.name} − without + without`)));
    if (attributes.length && !wells.some((well) => well.samples.length)) await fillWith(attributes[0]); // else a sum was begun
  };
  const opened = () => open().catch((error) => { toast(error.message); whenBack(opened); });
  opened();
  return () => { alive = walking = false; recorder?.stop(); };
}
