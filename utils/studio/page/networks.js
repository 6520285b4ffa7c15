// Where pictures, scores and maps come from: the browser (ONNX graphs beside this page), or the server (Python).
// Both kinds of model have the same methods; sample: { z, c }, picture: { size, rgba, c }. Of a conditional model c is
// what a sample is drawn for, and what its discriminator is told of a picture.

import { fromFloats, fromRgb, readHere, toFloats, toRgb } from "./pictures.js";
import { pause } from "./page.js";
import { unpacked } from "./latents.js";
import { wordNumbers } from "./words.js";

export const AWAY = "The server does not answer.";
const PATIENCE = 15000; // milliseconds that the list may take; a server that hangs is then one that is away

export async function everything() { return json("studio.json", PATIENCE); }

export async function loadModel(offer, form) {
  const base = `models/${offer.id}/`, early = form === "server" ? null : fetch(`${base}generator.onnx`); // beside what describes it
  early?.catch(() => {});
  const about = await json(`${base}model.json`);
  return form === "server" ? new ServerModel(about) : new BrowserModel(about, early);
}

export async function json(address, patience = 0) { return (await ask(address, null, "", patience)).json(); }

// A request; what is refused throws the server's sentence. With patience, in milliseconds, it may not take longer.
export async function ask(address, body = null, type = "application/octet-stream", patience = 0) {
  let answer;
  try {
    const signal = patience ? AbortSignal.timeout(patience) : null;
    answer = await fetch(address, body === null ? { signal } : { method: "POST", body, signal, headers: { "X-Studio": "1", "Content-Type": type } });
  } catch { window.dispatchEvent(new Event("away")); throw new Error(AWAY); }
  if (!answer.ok) {
    let sentence = `${address} could not be had (${answer.status}).`;
    try { sentence = (await answer.json()).error ?? sentence; } catch { /* no sentence */ }
    throw new Error(sentence);
  }
  return answer;
}

class Model {
  constructor(about) {
    Object.assign(this, about);
    this.base = `models/${about.id}/`;
    this.rows = about.conditions ? unpacked(about.conditions.kept, about.conditions.size) : null;
    this.asked = null; // conditions that were asked for, or null for those that occur
  }
  get askable() { return this.rows ? this.asked?.rows ?? this.rows : null; }
  async directions() {
    this.known ??= (await json(`${this.base}directions.json`)).map((d) => ({ ...d, vector: unpacked(d.vector, this.latent_dim)[0] }));
    return this.known;
  }
  // What a discriminator is told of a picture of which nothing is known: what was asked for last, else the first that occurs.
  told(picture) { return picture.c ?? this.askable[0]; }
  // A condition in words; "" where there are none.
  inWords(c) {
    if (!c) return "";
    const names = this.conditions.names.map((name) => name.replaceAll("_", " "));
    if (this.conditions.kind === "labels") return names[c.indexOf(1)] ?? "";
    if (this.conditions.kind === "attributes") return names.filter((_, i) => c[i] === 1).join(", ") || `none of ${names.join(", ")}`;
    return this.asked?.rows.includes(c) ? this.asked.words : names[this.rows.indexOf(c)] ?? "";
  }
  async truePictures() {
    if (!this.kept) {
      const bytes = await (await ask(`${this.base}true.bin`)).arrayBuffer(), each = this.size ** 2 * 3, wide = this.rows ? this.conditions.size : 0;
      const count = bytes.byteLength / (each + 4 * wide), told = new Float32Array(bytes.slice(count * each));
      this.kept = Array.from({ length: count }, (_, i) => ({ ...fromRgb(new Uint8Array(bytes, i * each, each), this.size), c: wide ? told.slice(i * wide, (i + 1) * wide) : null }));
    }
    return this.kept;
  }
  // Draws many, telling of each batch as it is there, so that the first are seen at once; ends when told `false`.
  async drawAll(samples, tell, batch = 8) {
    for (let i = 0; i < samples.length;) {
      const part = samples.slice(i, i ? i + batch : 1), pictures = await this.draw(part);
      for (const [j, picture] of pictures.entries()) if (tell(picture, i + j) === false) return;
      i += part.length;
      await pause();
    }
  }
}

class ServerModel extends Model {
  async draw(samples) {
    const wide = this.latent_dim + (this.rows ? this.conditions.size : 0), body = new Float32Array(samples.length * wide);
    samples.forEach(({ z, c }, i) => { body.set(z, i * wide); if (c) body.set(c, i * wide + this.latent_dim); });
    const bytes = new Uint8Array(await (await ask(`${this.base}draw`, body)).arrayBuffer());
    return samples.map(({ c }, i) => ({ ...fromRgb(bytes, this.size, i), c }));
  }
  async drawAll(samples, tell) { return super.drawAll(samples, tell, 32); }
  async judge(pictures) {
    const parts = [toRgb(pictures)];
    if (this.rows) parts.push(...pictures.map((picture) => Float32Array.from(this.told(picture))));
    return new Float32Array(await (await ask(`${this.base}judge?count=${pictures.length}`, new Blob(parts))).arrayBuffer());
  }
  async explain(picture, method, weights) {
    const answer = await ask(`${this.base}explain?method=${method}&weights=${weights}`, toRgb([picture]));
    const side = Number(answer.headers.get("X-Shape").split(",")[0]);
    return { values: new Float32Array(await answer.arrayBuffer()), side };
  }
  async overTime(picture) {
    return (await ask(`${this.base}over_time`, new Blob([toRgb([picture]), ...(this.rows ? [Float32Array.from(this.told(picture))] : [])]))).json();
  }
  async read(file) {
    if (file.size > 25 * 2 ** 20) throw new Error(`${file.name.slice(0, 60)} is larger than 25 MB: make it smaller.`);
    const answer = await ask(`${this.base}picture?name=${encodeURIComponent(file.name)}`, file);
    return { picture: fromRgb(new Uint8Array(await answer.arrayBuffer()), this.size), note: answer.headers.get("X-Note") ?? "" };
  }
  async condition(text) {
    return new Float32Array(await (await ask(`${this.base}condition`, new URLSearchParams({ text }).toString(), "text/plain")).arrayBuffer());
  }
}

let runtime = null, tried = 0;
export function startRuntime() { // what failed is tried again, by another address: browsers keep a module that failed
  runtime ??= import(`./vendor/ort.wasm.bundle.min.js${tried++ ? `?again=${tried}` : ""}`).then((ort) => {
    ort.env.wasm.wasmPaths = { wasm: new URL("vendor/ort-wasm-simd-threaded.wasm", import.meta.url).href };
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    ort.env.logLevel = "error";
    return ort;
  }).catch((error) => { runtime = null; throw error; });
  return runtime;
}

const NEVER = new Promise(() => {}); // who still waits for a model that was left, waits for nothing

class BrowserModel extends Model {
  constructor(about, generator) {
    super(about);
    this.turn = Promise.resolve();
    this.graphs = {};
    this.graph("generator", generator.then((answer) => (answer.ok ? answer : ask(`${this.base}generator.onnx`)))).catch(() => {});
  }
  open(name, answer = ask(`${this.base}${name}.onnx`)) {
    return Promise.all([startRuntime(), answer.then((a) => a.arrayBuffer())])
      .then(([ort, bytes]) => (this.closed ? NEVER : ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" })));
  }
  graph(name, answer) { // one that could not be had is asked for again
    if (this.closed) return NEVER;
    return (this.graphs[name] ??= this.open(name, answer).catch((error) => { delete this.graphs[name]; throw error; }));
  }
  close() { // its networks would stay in the runtime's memory; who is still in a room of it opens no other
    this.closed = true;
    for (const one of Object.values(this.graphs)) one.then((session) => this.turn.then(() => session.release())).catch(() => {});
    this.graphs = {};
  }
  async run(name, inputs) { // one after the other: a session runs once at a time
    const [ort, session] = [await startRuntime(), await this.graph(name)];
    const feeds = Object.fromEntries(Object.entries(inputs).map(([key, [values, shape]]) => [key, new ort.Tensor("float32", values, shape)]));
    const mine = this.turn.then(() => session.run(feeds));
    this.turn = mine.catch(() => {});
    return mine;
  }
  async draw(samples) {
    const join = (rows) => { const all = new Float32Array(rows.length * rows[0].length); rows.forEach((row, i) => all.set(row, i * row.length)); return [all, [rows.length, rows[0].length]]; };
    const inputs = { latents: join(samples.map((s) => s.z)) };
    if (this.rows) inputs.conditions = join(samples.map((s) => s.c ?? this.askable[0]));
    const { images } = await this.run("generator", inputs);
    return samples.map(({ c }, i) => ({ ...fromFloats(images.data, this.size, i), c }));
  }
  async judge(pictures) {
    const result = new Float32Array(pictures.length);
    for (let i = 0; i < pictures.length; i += 16) {
      const part = pictures.slice(i, i + 16), inputs = { images: [toFloats(part), [part.length, this.size, this.size, 3]] };
      if (this.rows) {
        const all = new Float32Array(part.length * this.conditions.size);
        part.forEach((picture, j) => all.set(this.told(picture), j * this.conditions.size));
        inputs.conditions = [all, [part.length, this.conditions.size]];
      }
      result.set((await this.run("discriminator", inputs)).logits.data, i);
    }
    return result;
  }
  async explain(picture, method, weights) {
    const [judge, guided] = weights === "random" ? ["random", "random_guided"] : ["discriminator", "guided"];
    const inputs = { images: [toFloats([picture]), [1, this.size, this.size, 3]] };
    if (method === "guided") return { values: (await this.run(guided, inputs)).saliency.data, side: this.size };
    if (method === "occlusion") return this.occlusion(picture, judge);
    const found = (await this.run(judge, inputs))[method === "gradcam" ? "combination" : "contributions"];
    return { values: found.data, side: found.dims[1] };
  }
  async occlusion(picture, graph, places = 8) { // what the logit loses when a patch becomes mid grey (0 in [-1, 1])
    const floats = toFloats([picture]), size = this.size, all = new Float32Array((places ** 2 + 1) * floats.length);
    const edge = (i) => { const at = (i * size) / places, low = Math.floor(at); return at - low === 0.5 ? low + (low % 2) : Math.round(at); };
    for (let p = 0; p <= places ** 2; p++) {
      const covered = all.subarray(p * floats.length, (p + 1) * floats.length), [row, column] = [Math.floor(p / places), p % places];
      covered.set(floats);
      if (p < places ** 2) for (let y = edge(row); y < edge(row + 1); y++) covered.fill(0, 3 * (y * size + edge(column)), 3 * (y * size + edge(column + 1)));
    }
    const logits = new Float32Array(places ** 2 + 1);
    for (let i = 0; i < logits.length; i += 16) {
      const count = Math.min(16, logits.length - i), part = all.slice(i * floats.length, (i + count) * floats.length);
      logits.set((await this.run(graph, { images: [part, [count, size, size, 3]] })).logits.data, i);
    }
    return { values: logits.slice(0, -1).map((lost) => logits[places ** 2] - lost), side: places };
  }
  async read(file) { return readHere(file, this.size); }
  async condition(text) {
    const numbers = wordNumbers(text, this.conditions.vocabulary, this.conditions.words);
    return (await this.run("text", { words: [numbers, [1, numbers.length]] })).vectors.data.slice();
  }
}
