// Watch: how a training goes, or went: curves, grids, film, warnings, settings. Two runs side by side.

import { chart } from "./charts.js";
import { ask, json } from "./networks.js";
import { el, facts, field, gridOf, heading, toast } from "./page.js";

const AGAIN = 5000; // milliseconds until a run that could not be read is asked for again

export function show(root, studio) {
  let runs = [];
  const models = studio.offers.filter((offer) => offer.kind === "model");
  root.append(...heading("Watch it learn", "Losses and scores of every update, and what the generator draws from the same latents at each summary. Move over the curves: the grid follows."));
  const board = el("div"), closers = [];
  const first = el("select", {}), second = el("select", {});
  const choices = () => { // runs may come while the page is open
    runs = studio.offers.filter((offer) => offer.kind === "run");
    for (const [select, none] of [[first, ""], [second, "none"]]) {
      const before = select.value;
      select.replaceChildren(...(none ? [el("option", { value: "" }, none)] : []), ...runs.map((run) => el("option", { value: run.id }, run.title)));
      if (runs.some((run) => run.id === before)) select.value = before;
    }
    beside.hidden = runs.length < 2;
  };
  const open = () => {
    closers.splice(0).forEach((close) => close());
    const ids = [first.value, second.value].filter(Boolean), panels = ids.map((id) => panel(id, studio));
    closers.push(...panels.map((one) => one.close));
    panels.forEach((one, i) => { one.follow = (share) => panels[1 - i]?.move(share); });
    board.className = ids.length > 1 ? "two" : "";
    board.replaceChildren(...panels.map((one) => one.node));
  };
  const beside = field("Beside it", second), bar = el("div", { class: "row bar" }, field("Run", first), beside);
  const without = el("p", {}, studio.form === "server" ? ["No run yet: ", el("code", {}, "./dcgan train"), " makes one, and it can be watched here."] : "This export has models only, without the records of their training.");
  const unread = el("div");
  const tellOffers = () => {
    bar.hidden = !runs.length;
    without.hidden = Boolean(runs.length);
    unread.replaceChildren(...studio.unread.map((sentence) => el("p", { class: "wrong" }, sentence)));
  };
  const offered = () => {
    const before = first.value;
    choices();
    tellOffers();
    if (first.value !== before) open();
  };
  root.append(bar, unread, without, board);
  first.addEventListener("change", open);
  second.addEventListener("change", open);
  choices();
  if (runs.some((run) => run.id === studio.model?.id)) first.value = studio.model.id;
  tellOffers();
  if (runs.length) open();
  window.addEventListener("offers", offered);
  if (models.length) root.append(el("h2", {}, "Models that come with it"));
  for (const model of models) {
    const box = el("details", { class: "card", ontoggle: async () => {
      if (!box.open || box.dataset.read) return;
      box.dataset.read = "1";
      try { const about = await json(`models/${model.id}/model.json`); box.append(facts(about.card), el("h3", {}, "Settings"), facts(about.settings)); } catch (error) { toast(error.message); delete box.dataset.read; }
    } }, el("summary", {}, `${model.title}: card, passport and settings`), el("p", {}, model.about));
    root.append(box);
  }
  return () => { closers.forEach((close) => close()); window.removeEventListener("offers", offered); };
}

function panel(id, studio) {
  const node = el("div"), self = { node, follow: () => {}, move: () => {}, close: () => {} }, base = `runs/${id}/`;
  const state = el("div", { class: "card" }), grids = el("div", { class: "card", hidden: true }), curves = el("div", { class: "card", hidden: true }), warnings = el("div", { class: "card", hidden: true }), rest = el("div");
  node.append(state, warnings, el("div", { class: "seen" }, grids, curves), rest);
  let last = null, at = null, shown = "", marks = [];

  const image = el("img", { class: "grid-image", alt: "" }), where = el("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Which summary" }), caption = el("p", { class: "caption" });
  const put = (place, tell = true) => { // shows a grid, by its place among those that there are
    const number = last.grids[place];
    if (number === undefined) return;
    at = place === last.grids.length - 1 ? null : place; // null: the newest, also when there are more
    where.value = place;
    const address = gridOf(id, last, number);
    if (shown !== address) { image.src = shown = address; image.alt = `Samples at ${last.unit} ${number}`; }
    caption.textContent = `${last.unit} ${number.toLocaleString("en")} of ${last.goal.toLocaleString("en")}`;
    marks.forEach(([mark, scale]) => mark(number * scale));
    if (tell) self.follow(last.grids.length > 1 ? place / (last.grids.length - 1) : 1);
  };
  where.addEventListener("input", () => put(Number(where.value)));
  self.move = (share) => last?.grids.length && put(Math.round(share * (last.grids.length - 1)), false);
  let playing = 0;
  const play = el("button", { type: "button", class: "small", "aria-pressed": "false", onclick: () => {
    if (playing) { clearInterval(playing); playing = 0; } else { put(0); playing = setInterval(() => { const next = Number(where.value) + 1; if (next > Number(where.max)) { clearInterval(playing); playing = 0; play.textContent = "Play"; } else put(next); }, 250); }
    play.textContent = playing ? "Pause" : "Play";
  } }, "Play");
  grids.append(el("h2", {}, "What it draws"), image, caption, el("div", { class: "row" }, play, where));
  where.style.flex = "1";

  const act = async (what) => { try { toast((await (await ask(`${base}${what}`, "")).json()).said); } catch (error) { toast(error.message); } };
  const stop = el("button", { type: "button", onclick: () => act("stop") }, "Stop it"), goOn = el("button", { type: "button", class: "main", onclick: () => act("go_on") }, "Go on");

  const lines = el("ul", { class: "log" }), log = el("details", {}, el("summary", {}, "Log"), lines);
  const report = el("div", { class: "card", hidden: true });
  let reported = "";
  const renderReport = (run) => {
    const now = JSON.stringify([run.report, run.reporting]), has = Boolean(run.report?.files.length), here = studio.form === "server", authors = run.report?.own_text;
    report.hidden = !run.report || !(has || here);
    if (now === reported || report.hidden) return;
    reported = now;
    report.replaceChildren(el("h2", {}, "Report"),
      el("p", { class: "note" }, `Everything that is on disk of this run in one document: settings, curves, pictures, measurements, and what is missing.${has ? ` Made ${new Date(1000 * run.report.made).toLocaleString()}.` : ""}${authors ? " It begins with its author's words: ./dcgan report RUN --text FILE.md makes it anew." : ""}`),
      el("div", { class: "row" },
        run.report.files.includes("report.html") ? el("a", { class: "button", href: `${base}report.html`, target: "_blank", rel: "noopener" }, "Open the report") : null,
        run.report.files.includes("report.pdf") ? el("a", { class: "button", href: `${base}report.pdf`, download: `${id}-report.pdf` }, "Save as PDF") : null,
        here && !authors ? el("button", { type: "button", disabled: run.reporting, onclick: () => act("report") }, run.reporting ? "Being made…" : has ? "Make it anew" : "Make the report") : null));
  };

  const render = (run) => {
    const before = last, focused = document.activeElement;
    last = run;
    const { running, words, update, updates, left, finished, seconds } = run.state, killed = !running && words.includes("killed");
    const parts = el("div", {}, el("div", { class: "row" }, el("h2", {}, run.title), el("span", { class: `pill${running ? " running" : killed ? " bad" : ""}`, "data-state": running ? "running" : killed ? "killed" : "still" }, run.starting && !running ? "starting…" : killed ? "stopped: its process is gone" : running ? "running" : words)),
      updates ? el("progress", { max: updates, value: update, "aria-label": "Progress" }) : null,
      el("p", { class: "note" }, `Update ${update.toLocaleString("en")}${updates ? ` of ${updates.toLocaleString("en")}` : ""}${left ? `, about ${left} left` : ""}${seconds ? `; ${Math.round(seconds)} s of training saved` : ""}.`),
      ...(studio.form === "server" ? [el("div", { class: "row" }, running ? stop : null, !running && !finished && !run.starting ? goOn : null)] : []),
      run.complaint ? el("p", { class: "wrong" }, run.complaint) : null,
      run.log.length ? log : null);
    lines.replaceChildren(...run.log.map((line) => el("li", {}, line)));
    state.replaceChildren(parts);
    if (focused !== document.activeElement && state.contains(focused)) focused.focus({ preventScroll: true }); // it was taken out and put back
    renderReport(run);
    warnings.hidden = !run.warnings.length;
    warnings.replaceChildren(el("h2", {}, "The doctor"), ...run.warnings.map((sentence) => el("p", {}, sentence)));
    curves.hidden = !run.curves.update?.length;
    if (!curves.hidden && before?.curves.update?.length !== undefined && before.curves.update.at(-1) === run.curves.update.at(-1) && before.grids.length === run.grids.length) { /* nothing new to draw */ } else if (!curves.hidden) {
      const x = run.curves.update, loss = Object.keys(run.curves).filter((name) => name.startsWith("loss_")), colours = { loss_true: "var(--true)", loss_fake: "var(--fake)", loss_generator: "var(--ink)" };
      const perUnit = run.unit === "update" ? 1 : run.state.updates ? run.state.updates / run.goal : 1;
      const moved = (value) => { const wanted = value / perUnit; let best = 0; run.grids.forEach((number, i) => { if (Math.abs(number - wanted) < Math.abs(run.grids[best] - wanted)) best = i; }); put(best); };
      const losses = chart({ label: "Losses", unit: "update", moved, series: loss.map((name, i) => ({ name: name.slice(5).replaceAll("_", " "), colour: colours[name] ?? `hsl(${70 * i} 60% 45%)`, x, y: run.curves[name] })) });
      const s = run.summaries;
      marks = [[losses.mark, perUnit]];
      curves.replaceChildren(el("h2", {}, "Losses"), losses.node);
      if (s[run.unit]?.length > 1) {
        const scores = chart({ label: "Scores", unit: run.unit, low: 0, high: 1, moved: (value) => moved(value * perUnit), series: [{ name: "true samples", colour: "var(--true)", x: s[run.unit], y: s.score_true }, { name: "fake samples", colour: "var(--fake)", x: s[run.unit], y: s.score_fake }] });
        curves.append(el("h2", {}, "Mean scores, the sigmoid of logits"), scores.node);
        marks.push([scores.mark, 1]);
      }
    }
    grids.hidden = !run.grids.length;
    if (run.grids.length) { where.max = run.grids.length - 1; put(at ?? run.grids.length - 1, false); }
    tellFilm(run.film && run.film_made);
    tellTrue(run.true_grid);
    tellSettings(run.settings);
    tellQuality(run.quality);
    if (before && before.grids.length === 0 && run.grids.length) studio.refresh().catch(() => {});
  };
  // A fold's inside is drawn anew when what it tells of has changed; the fold itself stays, open or not.
  const fold = (title, draw) => {
    const inside = el("div"), box = el("details", { class: "card", hidden: true }, el("summary", {}, title), inside);
    let told = "";
    rest.append(box);
    return (what) => {
      const now = JSON.stringify(what);
      if (now === told) return;
      told = now;
      box.hidden = !what;
      inside.replaceChildren(...(what ? [draw(what)] : []));
    };
  };
  const tellFilm = fold("Film of the training", (made) => el("video", { src: `${base}training.mp4?made=${made}`, controls: true, loop: true, muted: true, playsinline: true, preload: "none" }));
  const tellTrue = fold("True images, to compare", () => el("img", { class: "grid-image", src: `${base}grids/true.png`, alt: "True images", loading: "lazy" }));
  rest.append(report);
  const tellSettings = fold("Settings", facts), tellQuality = fold("Distance, with its passport", facts);

  if (studio.form === "server") {
    let source = null, later = 0;
    const end = () => { clearTimeout(later); source?.close(); source = null; };
    const listen = () => {
      end();
      const mine = source = new EventSource(`${base}events`);
      mine.onmessage = (event) => render(JSON.parse(event.data));
      mine.onerror = async () => { // it connects again by itself when the server has been away, but not once it was refused
        if (mine.readyState !== EventSource.CLOSED) return;
        later = setTimeout(listen, AGAIN);
        const why = await json(`${base}run.json`).then(() => "", (error) => error.message); // a stream does not tell
        if (why && mine === source) state.replaceChildren(el("h2", {}, last?.title ?? id), el("p", { class: "wrong" }, why));
      };
    };
    const back = () => { if (source?.readyState === EventSource.CLOSED) listen(); };
    const seen = () => { if (document.hidden) end(); else if (!source) listen(); }; // a browser has few connections for all tabs
    window.addEventListener("back", back);
    document.addEventListener("visibilitychange", seen);
    seen();
    self.close = () => { end(); clearInterval(playing); window.removeEventListener("back", back); document.removeEventListener("visibilitychange", seen); };
  } else {
    json(`${base}run.json`).then(render).catch((error) => toast(error.message));
    self.close = () => clearInterval(playing);
  }
  return self;
}
