// Guess: a game of twenty pictures, the visitor beside the discriminator.

import { Random, samples } from "./latents.js";
import { el, heading, toast, whenBack } from "./page.js";
import { canvasOf } from "./pictures.js";
import { answer as inWords, coin, percent, scores, wilson } from "./statistics.js";

const TURNS = 20;

export function show(root, studio) {
  const { model } = studio;
  root.append(...heading("True or fake?", `${TURNS} pictures: some are true images of the data, the others were drawn by the generator just now. A coin decides each, so there need not be ten of both. The discriminator plays along, unseen.`));
  if (!model.true || !model.judges) {
    root.append(el("p", {}, model.true ? "This model came without its discriminator." : `There are no true images to play with here: of ${model.data} none may be passed on. Models of the built-in faces and house numbers have some.`));
    return;
  }
  const board = el("div", { class: "card game" });
  let alive = true;
  root.append(board);
  const begin = async () => {
    board.replaceChildren(el("p", {}, "Shuffling… the first time true images are drawn, which takes some seconds."));
    const random = new Random(Math.floor(Math.random() * 4294967296)), truth = Array.from({ length: TURNS }, () => random.float() < 0.5);
    const kept = await model.truePictures(), free = kept.map((_, i) => i), fakes = truth.filter((t) => !t).length;
    const drawn = fakes ? await model.draw(samples(random.next32(), fakes, model, model.askable)) : [];
    const pictures = truth.map((isTrue) => (isTrue ? kept[free.splice(random.below(free.length), 1)[0]] : drawn.pop()));
    const logits = await model.judge(pictures); // a conditional one is told what each is to be
    if (alive) play({ truth, pictures, logits, machine: scores(logits, model), answers: [] });
  };
  const play = (game) => {
    const turn = game.answers.length, last = turn - 1;
    if (turn === TURNS) { end(game); return; }
    const dots = el("div", { class: "dots", "aria-hidden": "true" }, game.truth.map((truth, i) => el("i", { class: i < turn ? (game.answers[i] === truth ? "right" : "missed") : i === turn ? "now" : "" })));
    const say = last < 0 ? "" : `${game.answers[last] === game.truth[last] ? "Right" : "No"}: that one was ${game.truth[last] ? "true" : "fake"}. The discriminator gave it ${inWords(game.logits[last], model)}.`;
    const answer = (value) => {
      const held = board.contains(document.activeElement);
      game.answers.push(value);
      play(game);
      if (held) board.querySelector(`.answers button:nth-child(${value ? 1 : 2}), button.main`)?.focus();
    };
    board.replaceChildren(el("div", { class: "big" }, canvasOf(game.pictures[turn])), dots, el("p", { class: "note", role: "status" }, `Picture ${turn + 1} of ${TURNS}. ${say}`),
      el("div", { class: "answers" }, el("button", { type: "button", onclick: () => answer(true) }, "True ", el("kbd", {}, "t")), el("button", { type: "button", onclick: () => answer(false) }, "Fake ", el("kbd", {}, "f"))));
    keys = (key) => { if (key === "t" || key === "f") answer(key === "t"); };
  };
  const threshold = model.probability ? "0.5" : model.undecided === null ? "the mean of these pictures" : `a logit of ${model.undecided}`;
  const end = (game) => {
    keys = null;
    const you = game.answers.filter((a, i) => a === game.truth[i]).length, it = game.machine.filter((p, i) => (p > 0.5) === game.truth[i]).length;
    const line = (who, hits) => { const [low, high] = wilson(hits, TURNS); return el("tr", {}, el("th", { scope: "row" }, who), el("td", {}, `${hits} of ${TURNS}`), el("td", {}, percent(hits / TURNS)), el("td", {}, `${percent(low)} to ${percent(high)}`)); };
    const chance = coin(you, TURNS), both = game.answers.map((a, i) => [a === game.truth[i], (game.machine[i] > 0.5) === game.truth[i]]);
    const [onlyYou, onlyIt] = [both.filter(([a, b]) => a && !b).length, both.filter(([a, b]) => !a && b).length];
    board.replaceChildren(el("h2", {}, `You: ${you} of ${TURNS}. The discriminator: ${it}.`),
      el("table", { class: "plain tally" }, el("thead", {}, el("tr", {}, ["", "right", "share", "95% interval (Wilson)"].map((t) => el("th", { scope: "col" }, t)))), el("tbody", {}, line("You", you), line(`Discriminator, at ${threshold}`, it))),
      el("p", { class: "note" }, `A coin gets ${you} or more right in ${chance < 0.001 ? "fewer than 1 of 1,000" : `${percent(chance)} of`} games. ${chance > 0.05 ? "So this game does not show that you can tell them apart." : "So you can probably tell them apart."} `,
        `Right for you alone: ${onlyYou}; for the discriminator alone: ${onlyIt}. Twenty pictures seldom settle who is better. `,
        `The discriminator says true above ${threshold}; training has not tuned that threshold for single pictures.`),
      el("div", { class: "wall" }, game.pictures.map((picture, i) => el("figure", {}, canvasOf(picture), el("figcaption", {}, game.truth[i] ? "true" : "fake", el("br"), `you ${both[i][0] ? "✓" : "✗"} it ${both[i][1] ? "✓" : "✗"}`)))),
      el("p", {}), el("button", { type: "button", class: "main", onclick: start }, "Once more"));
  };
  const start = () => alive && begin().catch(tell);
  const tell = (error) => {
    toast(error.message);
    whenBack(start);
    if (alive) board.replaceChildren(el("p", {}, error.message), el("button", { type: "button", class: "main", onclick: start }, "Try again"));
  };
  let keys = null;
  const listen = (event) => { if (event.target.tagName !== "SELECT" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) keys?.(event.key.toLowerCase()); };
  document.addEventListener("keydown", listen);
  board.append(el("p", {}, "Look at each as long as you like. Keys: ", el("kbd", {}, "t"), " true, ", el("kbd", {}, "f"), " fake."), el("button", { type: "button", class: "main", onclick: start }, "Begin"));
  return () => { alive = false; document.removeEventListener("keydown", listen); };
}
