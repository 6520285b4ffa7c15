// Pictures: { size, rgba }, a square of uint8 values; and everything that shows or reads one.

import { el } from "./page.js";

export function fromRgb(bytes, size, index = 0) {
  const rgba = new Uint8ClampedArray(size * size * 4), start = index * size * size * 3;
  for (let i = 0, j = start; i < rgba.length; i += 4, j += 3) { rgba[i] = bytes[j]; rgba[i + 1] = bytes[j + 1]; rgba[i + 2] = bytes[j + 2]; rgba[i + 3] = 255; }
  return { size, rgba };
}

export function fromFloats(values, size, index = 0) { // [-1, 1] as the generator draws, rounded as Python does
  const rgba = new Uint8ClampedArray(size * size * 4), start = index * size * size * 3;
  for (let i = 0, j = start; i < rgba.length; i += 4, j += 3) {
    for (let k = 0; k < 3; k++) rgba[i + k] = Math.fround(Math.fround(Math.min(1, Math.max(-1, values[j + k])) * 127.5) + 127.5); // a clamped array rounds ties to even
    rgba[i + 3] = 255;
  }
  return { size, rgba };
}

export function toRgb(pictures) {
  const size = pictures[0].size, bytes = new Uint8Array(pictures.length * size * size * 3);
  let j = 0;
  for (const { rgba } of pictures) for (let i = 0; i < rgba.length; i += 4) { bytes[j++] = rgba[i]; bytes[j++] = rgba[i + 1]; bytes[j++] = rgba[i + 2]; }
  return bytes;
}

export function toFloats(pictures) { // as `scale` in Python
  const bytes = toRgb(pictures), values = new Float32Array(bytes.length), share = Math.fround(1 / 127.5);
  for (let i = 0; i < bytes.length; i++) values[i] = (bytes[i] - 127.5) * share;
  return values;
}

export function paint(canvas, picture) {
  if (canvas.width !== picture.size) canvas.width = canvas.height = picture.size;
  canvas.getContext("2d").putImageData(new ImageData(picture.rgba, picture.size, picture.size), 0, 0);
  return canvas;
}

export const canvasOf = (picture) => paint(el("canvas", { width: picture.size, height: picture.size, "aria-hidden": "true" }), picture);

// A picture that can be clicked; the name is for those who do not see it.
export function tile(picture, name, action, more = {}) {
  const canvas = picture ? canvasOf(picture) : el("div", { class: "empty" });
  return el("button", { type: "button", class: "tile", "aria-label": name, title: name, onclick: action, ...more }, canvas);
}

// All pictures on one canvas, with a gap of two pixels, as the command line's grids.
export function sheet(pictures, columns) {
  const size = pictures[0].size, rows = Math.ceil(pictures.length / columns), gap = 2;
  const canvas = el("canvas", { width: columns * (size + gap) + gap, height: rows * (size + gap) + gap });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  pictures.forEach((p, i) => context.putImageData(new ImageData(p.rgba, size, size), gap + (i % columns) * (size + gap), gap + Math.floor(i / columns) * (size + gap)));
  return canvas;
}

export function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const savePng = (canvas, name) => canvas.toBlob((blob) => save(blob, name), "image/png");

// Limits of what a visitor may bring, as on the server.
const LARGEST = 25 * 2 ** 20, PIXELS = 89_478_485;

// A file as a picture: the middle square, averaged over areas. For the form without a server.
export async function readHere(file, size) {
  const name = file.name.length > 60 ? `${file.name.slice(0, 40)}…${file.name.slice(-18)}` : file.name || "The file";
  if (file.size > LARGEST) throw new Error(`${name} is larger than 25 MB: make it smaller.`);
  const kinds = { "image/svg+xml": "a drawing" };
  if (!file.type.startsWith("image/") || kinds[file.type]) throw new Error(`${name}: not a picture of a kind that is read here (JPEG, PNG, WebP, GIF, BMP, AVIF).`);
  const image = new Image(), address = URL.createObjectURL(file);
  try {
    await new Promise((done, fail) => { image.onload = done; image.onerror = () => fail(new Error(`${name} cannot be decoded: it is damaged, or not a picture.`)); image.src = address; });
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    if (width * height > PIXELS) throw new Error(`${name}: too large (${Math.round((width * height) / 1e6)} million pixels; at most 89 million can be decoded): make it smaller.`);
    const side = Math.min(width, height), work = Math.min(side, Math.max(size, 2048));
    const canvas = el("canvas", { width: work, height: work }), context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff"; // transparent pictures are laid on white, as in training
    context.fillRect(0, 0, work, work);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, Math.floor((width - side) / 2), Math.floor((height - side) / 2), side, side, 0, 0, work, work);
    const notes = [side < size ? `It was enlarged to ${size}x${size} pixels.` : "", file.type === "image/gif" ? "Of a film its first picture was taken." : ""];
    return { picture: shrunk(context.getImageData(0, 0, work, work).data, work, size), note: notes.filter(Boolean).join(" ") };
  } finally { URL.revokeObjectURL(address); }
}

function shrunk(data, from, size) {
  if (from < size) { // enlarged between pixels
    const source = el("canvas", { width: from, height: from }), target = el("canvas", { width: size, height: size });
    source.getContext("2d").putImageData(new ImageData(data, from, from), 0, 0);
    target.getContext("2d").drawImage(source, 0, 0, size, size);
    return { size, rgba: target.getContext("2d").getImageData(0, 0, size, size).data };
  }
  const rgba = new Uint8ClampedArray(size * size * 4), step = from / size;
  const parts = (at) => { // which pixels, and how much of each, lie under one of the result
    const [a, b] = [at * step, (at + 1) * step], list = [];
    for (let i = Math.floor(a); i < b - 1e-9; i++) list.push([i, Math.min(b, i + 1) - Math.max(a, i)]);
    return list;
  };
  const columns = Array.from({ length: size }, (_, i) => parts(i));
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    const sum = [0, 0, 0];
    for (const [row, wy] of columns[y]) for (const [column, wx] of columns[x]) for (let k = 0; k < 3; k++) sum[k] += wy * wx * data[4 * (row * from + column) + k];
    for (let k = 0; k < 3; k++) rgba[4 * (y * size + x) + k] = sum[k] / (step * step);
    rgba[4 * (y * size + x) + 3] = 255;
  }
  return { size, rgba };
}

// A map over its picture: what speaks for true in one colour, for fake in the other. Values may be fewer than pixels.
export function overlay(picture, values, side) {
  const { size, rgba } = picture, result = new Uint8ClampedArray(rgba), most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
  const at = (y, x) => values[Math.min(side - 1, Math.max(0, y)) * side + Math.min(side - 1, Math.max(0, x))];
  const [yes, no] = [[0, 190, 175], [255, 95, 20]];
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    const v = ((y + 0.5) * side) / size - 0.5, u = ((x + 0.5) * side) / size - 0.5, [i, j] = [Math.floor(v), Math.floor(u)], [a, b] = [v - i, u - j];
    const value = ((1 - a) * ((1 - b) * at(i, j) + b * at(i, j + 1)) + a * ((1 - b) * at(i + 1, j) + b * at(i + 1, j + 1))) / most;
    const share = 0.8 * Math.min(1, Math.abs(value)), ink = value > 0 ? yes : no, p = 4 * (y * size + x);
    for (let k = 0; k < 3; k++) result[p + k] = (1 - share) * (0.45 * rgba[p + k] + 0.55 * 128) + share * ink[k];
  }
  return { size, rgba: result };
}

// A gradient by the pixels, around grey.
export function gradient(values, size) {
  const rgba = new Uint8ClampedArray(size * size * 4), most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
  for (let i = 0; i < size * size; i++) { for (let k = 0; k < 3; k++) rgba[4 * i + k] = 127.5 + (127.5 * values[3 * i + k]) / most; rgba[4 * i + 3] = 255; }
  return { size, rgba };
}
