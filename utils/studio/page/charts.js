// A line chart with a cursor that can be moved by pointer or keys.

import { el, svg } from "./page.js";

const HEIGHT = 240, LEFT = 46, RIGHT = 12, TOP = 10, BOTTOM = 48;

// series: [{ name, colour, x, y }]; null in y leaves a gap. `moved(x)` is told where the cursor is put.
export function chart({ series, unit, low, high, label, moved = null }) {
  const WIDTH = innerWidth < 760 ? 400 : 640; // letters stay readable on a phone
  const finite = series.flatMap((s) => s.y.filter((v) => v !== null)), xs = series.flatMap((s) => s.x);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)], sorted = [...finite].sort((a, b) => a - b);
  const bottom = low ?? Math.min(0, sorted[0] ?? 0), top = high ?? Math.max(bottom + 1e-6, sorted[Math.floor(0.995 * (sorted.length - 1))] ?? 1);
  const px = (x) => LEFT + ((x - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - RIGHT);
  const py = (y) => TOP + (1 - (Math.min(top, Math.max(bottom, y)) - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
  const word = (text, x, y, anchor) => { const node = svg("text", { x, y, "text-anchor": anchor }); node.textContent = text; return node; };
  const short = (v) => (v >= 1000 ? v.toLocaleString("en") : String(+v.toPrecision(3)));
  const axes = [0, 0.5, 1].flatMap((t) => { const v = bottom + t * (top - bottom); return [svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: py(v), y2: py(v), class: "axis" }), word(short(v), LEFT - 6, py(v) + 4, "end")]; });
  const ticks = [0, 0.5, 1].map((t) => word(short(x1 - x0 > 4 ? Math.round(x0 + t * (x1 - x0)) : x0 + t * (x1 - x0)), px(x0 + t * (x1 - x0)), HEIGHT - 30, t === 0 ? "start" : t === 1 ? "end" : "middle"));
  const lines = series.map((s) => {
    let path = "", pen = false;
    s.x.forEach((x, i) => { if (s.y[i] === null || s.y[i] === undefined) { pen = false; return; } path += `${pen ? "L" : "M"}${px(x).toFixed(1)} ${py(s.y[i]).toFixed(1)}`; pen = true; });
    return svg("path", { d: path || "M0 0", stroke: s.colour });
  });
  const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `${label}: ${series.map((s) => s.name).join(", ")}, by ${unit} ${short(x0)} to ${short(x1)}` }, ...axes, ...ticks, word(unit, px(x0 + 0.5 * (x1 - x0)), HEIGHT - 10, "middle"), ...lines, cursor);
  if (moved) {
    const at = (event) => { const box = drawing.getBoundingClientRect(); moved(x0 + Math.min(1, Math.max(0, ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT))) * (x1 - x0)); };
    drawing.addEventListener("pointermove", at);
    drawing.addEventListener("pointerdown", at);
  }
  const legend = el("div", { class: "legend" }, series.map((s) => { const key = el("b"); key.style.background = s.colour; return el("span", {}, key, s.name); }));
  return { node: el("div", {}, drawing, legend), mark: (x) => { for (const [name, value] of Object.entries({ x1: px(x), x2: px(x), visibility: "visible" })) cursor.setAttribute(name, value); } };
}
