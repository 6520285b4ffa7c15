// Latents, as NumPy draws them: `samples(seed, …)` gives, bit for bit, what `./dcgan sample --seed` starts from.
// SeedSequence, PCG64 and the ziggurat method in float32 follow NumPy's documentation and its published constants.

const U64 = (1n << 64n) - 1n, U128 = (1n << 128n) - 1n;
const MULTIPLIER = (2549297995355413924n << 64n) | 4865540595714422341n;

function seedSequence(seed, words) {
  const entropy = [];
  for (let rest = BigInt(seed); rest > 0n || !entropy.length; rest >>= 32n) entropy.push(Number(rest & 0xffffffffn));
  let constant = 0x43b0d7e5;
  const hash = (value) => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mix = (x, y) => {
    const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((i) => hash(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++) for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  for (let from = 4; from < entropy.length; from++) for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], hash(entropy[from]));
  const state = [];
  let out = 0x8b51f9dd;
  for (let i = 0; i < words; i++) {
    let value = (pool[i % 4] ^ out) >>> 0;
    out = Math.imul(out, 0x58f38ded) >>> 0;
    value = Math.imul(value, out) >>> 0;
    state.push((value ^ (value >>> 16)) >>> 0);
  }
  return state;
}

export class Random {
  constructor(seed) {
    const w = seedSequence(seed, 8).map(BigInt);
    const words = [0, 2, 4, 6].map((i) => w[i] | (w[i + 1] << 32n));
    this.increment = ((((words[2] << 64n) | words[3]) << 1n) | 1n) & U128;
    this.state = 0n;
    this.step();
    this.state = (this.state + ((words[0] << 64n) | words[1])) & U128;
    this.step();
    this.kept = null;
  }
  step() { this.state = (this.state * MULTIPLIER + this.increment) & U128; }
  next32() {
    if (this.kept !== null) { const kept = this.kept; this.kept = null; return kept; }
    this.step();
    const folded = (this.state >> 64n) ^ (this.state & U64), turn = this.state >> 122n;
    const word = ((folded >> turn) | (folded << ((64n - turn) & 63n))) & U64;
    this.kept = Number(word >> 32n);
    return Number(word & 0xffffffffn);
  }
  float() { return (this.next32() >>> 8) / 16777216; }
  normal() {
    for (;;) {
      const r = this.next32(), layer = r & 0xff, size = r >>> 9;
      let x = Math.fround(size * WIDTH[layer]);
      if ((r >>> 8) & 1) x = -x;
      if (size < LIMIT[layer]) return x;
      if (layer === 0) {
        for (;;) {
          const xx = Math.fround(-Math.fround(1 / R) * Math.fround(Math.log1p(-this.float())));
          const yy = Math.fround(-Math.log1p(-this.float()));
          if (Math.fround(yy + yy) > Math.fround(xx * xx)) return ((size >>> 8) & 1) ? -Math.fround(Math.fround(R) + xx) : Math.fround(Math.fround(R) + xx);
        }
      }
      const height = Math.fround(Math.fround(Math.fround(HEIGHT[layer - 1] - HEIGHT[layer]) * this.float()) + HEIGHT[layer]);
      if (height < Math.exp(-0.5 * x * x)) return x;
    }
  }
  below(count) {
    if (count === 1) return 0;
    const bound = BigInt(count), threshold = 0x100000000n % bound;
    for (;;) {
      const product = BigInt(this.next32()) * bound, rest = product & 0xffffffffn;
      if (rest >= bound || rest >= threshold) return Number(product >> 32n);
    }
  }
}

const R = 3.6541528853610088, AREA = 0.004928673233974655;
const WIDTH = new Float32Array(256), HEIGHT = new Float32Array(256), LIMIT = new Uint32Array(256);
{
  const density = (x) => Math.exp(-0.5 * x * x), scale = 2 ** 23, base = AREA / density(R);
  let x = R, above = R;
  LIMIT[0] = Math.trunc((R / base) * scale);
  [WIDTH[0], WIDTH[255], HEIGHT[0], HEIGHT[255]] = [base / scale, R / scale, 1, density(R)];
  for (let i = 254; i >= 1; i--) {
    x = Math.sqrt(-2 * Math.log(AREA / x + density(x)));
    LIMIT[i + 1] = Math.trunc((x / above) * scale);
    above = x;
    [HEIGHT[i], WIDTH[i]] = [density(x), x / scale];
  }
}

// Samples of a seed, each with latents z (and for a conditional model a condition c, one of those in `rows`).
export function samples(seed, count, model, rows = null) {
  const random = new Random(seed);
  const value = model.latents === "uniform" ? () => Math.fround(random.float() * 2 - 1) : () => random.normal();
  const made = Array.from({ length: count }, (_, i) => ({ z: Float32Array.from({ length: model.latent_dim }, value), c: null, name: `${i} of seed ${seed}` }));
  if (rows) for (const sample of made) sample.c = rows[random.below(rows.length)];
  return made;
}

// A point on the way between two latents: spherical for N(0, 1), straight for uniform latents.
export function between(a, b, share, distribution) {
  const norm = (v) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  const straight = () => a.map((x, i) => (1 - share) * x + share * b[i]);
  if (distribution === "uniform") return straight();
  const la = norm(a), lb = norm(b), cosine = a.reduce((sum, x, i) => sum + x * b[i], 0) / Math.max(la * lb, 1e-12);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine))), sine = Math.sin(angle);
  if (!(sine > 1e-6)) return straight();
  const length = (1 - share) * la + share * lb, wa = Math.sin((1 - share) * angle) / sine / la, wb = Math.sin(share * angle) / sine / lb;
  return a.map((x, i) => length * (wa * x + wb * b[i]));
}

const spread = (model) => (model.latents === "uniform" ? 1 / Math.sqrt(3) : 1);

export function moved(z, steps, model) { // steps: [[vector, strength in standard deviations], …]
  const scale = spread(model), result = Float32Array.from(z);
  for (const [vector, strength] of steps) if (strength) for (let i = 0; i < result.length; i++) result[i] += scale * strength * vector[i];
  return result;
}

export function mean(vectors) {
  const result = new Float32Array(vectors[0].length);
  for (const vector of vectors) for (let i = 0; i < result.length; i++) result[i] += vector[i] / vectors.length;
  return result;
}

// A file that NumPy, `./dcgan walk` and `./dcgan arithmetic` read.
export function npy(rows) {
  const shape = `(${rows.length}, ${rows[0].length})`;
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const bytes = new Uint8Array(10 + header.length + 4 * rows.length * rows[0].length);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  bytes.set(new TextEncoder().encode(header), 10);
  const view = new DataView(bytes.buffer);
  rows.forEach((row, r) => row.forEach((value, i) => view.setFloat32(10 + header.length + 4 * (r * row.length + i), value, true)));
  return new Blob([bytes], { type: "application/octet-stream" });
}

export function unpacked(text, columns) { // base64 of float32 -> rows
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), values = new Float32Array(bytes.buffer);
  return Array.from({ length: columns ? values.length / columns : 0 }, (_, i) => values.subarray(i * columns, (i + 1) * columns));
}
