// Honest figures for small counts.

const logChoose = (n, k) => { let sum = 0; for (let i = 1; i <= k; i++) sum += Math.log((n - k + i) / i); return sum; };

// Wilson's 95% interval of a share.
export function wilson(hits, count, z = 1.959964) {
  const p = hits / count, zz = (z * z) / count, centre = (p + zz / 2) / (1 + zz);
  const half = (z / (1 + zz)) * Math.sqrt((p * (1 - p)) / count + (z * z) / (4 * count * count));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

// How often a fair coin gets at least so many right.
export function coin(hits, count) {
  let sum = 0;
  for (let k = hits; k <= count; k++) sum += Math.exp(logChoose(count, k) - count * Math.LN2);
  return Math.min(1, sum);
}

// Spearman's rank correlation; NaN where one is constant.
export function rankCorrelation(a, b) {
  const ranks = (values) => {
    const order = [...values.keys()].sort((i, j) => values[i] - values[j]), result = new Float64Array(values.length);
    for (let i = 0; i < order.length;) {
      let j = i;
      while (j < order.length && values[order[j]] === values[order[i]]) j++;
      for (let k = i; k < j; k++) result[order[k]] = (i + j - 1) / 2;
      i = j;
    }
    return result;
  };
  const [x, y] = [ranks(a), ranks(b)], middle = (a.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) { xy += (x[i] - middle) * (y[i] - middle); xx += (x[i] - middle) ** 2; yy += (y[i] - middle) ** 2; }
  return xy / Math.sqrt(xx * yy);
}

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// A discriminator's answers from 0, fake, to 1, true: 0.5 is where its loss is undecided. Of a loss that knows
// differences of logits only, that is their mean among those that are judged together.
export function scores(logits, model) {
  const middle = model.undecided ?? logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
  return Array.from(logits, (logit) => sigmoid(logit - middle));
}

// One answer in words: a probability where the loss makes it one, else the logit.
export const answer = (logit, model) => (model.probability ? sigmoid(logit).toFixed(2) : `logit ${logit.toFixed(1)}`);
export const percent = (share) => (share > 0 && share < 0.005 ? "less than 1%" : `${Math.round(100 * share)}%`);
