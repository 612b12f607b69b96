"use strict";

// The helpers of autograd/numeric.py for JavaScript's numbers, under the same names: what a rule printed as JavaScript may
// call. A helper that is not in HELPERS at the end cannot be called, and a rule that needs one is not offered.

const { abs, acos, asin, atan, atan2, cbrt, cos, cosh, exp, expm1, hypot } = Math;
const { log, log10, log1p, log2, sign, sin, sinh, sqrt, tan, tanh } = Math;

// ---- arithmetic and choices

// C99's pow, which Math.pow is but for a base of 1 or -1.
function power(x, y) {
  return x === 1 || (x === -1 && abs(y) === Infinity) ? 1 : Math.pow(x, y);
}

// NaN wins, and of two zeros the second.
function maximum(x, y) {
  return x > y || x !== x ? x : y;
}

function minimum(x, y) {
  return x < y || x !== x ? x : y;
}

function relu(x) {
  return x > 0 || x !== x ? x : 0;
}

// The sum, rounded once whatever the order, as Python's math.fsum has it.
function total(...xs) {
  const special = xs.filter((x) => !Number.isFinite(x));
  if (special.length) return special.reduce((sum, x) => sum + x);
  const sum = roundedOnce(exactParts(xs));
  return Number.isFinite(sum) ? sum : roundedOnce(exactParts(xs.map((x) => x * 2 ** -64))) * 2 ** 64;
}

// The sum as numbers that do not overlap, the smallest first (Shewchuk 1997).
function exactParts(xs) {
  const parts = [];
  for (let x of xs) {
    let kept = 0;
    for (let y of parts) {
      if (abs(x) < abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low !== 0) parts[kept++] = low;
      x = high;
    }
    parts.length = kept;
    parts.push(x);
  }
  return parts;
}

function roundedOnce(parts) {
  let high = parts.pop();
  while (parts.length) {
    const before = high;
    const part = parts.pop();
    high = before + part;
    const low = part - (high - before);
    if (low !== 0) {
      const next = parts.pop(); // halfway between two numbers, what is left decides
      const other = high + 2 * low;
      return next && next > 0 === low > 0 && other - high === 2 * low ? other : high;
    }
  }
  return high;
}

// ---- functions of one number

// x rounded to a multiple of 2**-20: a number this large has no digits behind the point.
function coarse(x) {
  const large = 1.5 * 2 ** 52;
  return abs(x) < 2 ** 20 ? (x * 2 ** 20 + large - large) / 2 ** 20 : x;
}

function sigmoid(x) {
  const e = exp(-abs(x));
  return (x > 0 ? 1 : e) / (1 + e);
}

function polynomial(coefficients, x) {
  return coefficients.reduceRight((sum, coefficient) => sum * x + coefficient);
}

// The error function by rational approximations on four intervals, with the coefficients that Sun Microsystems published
// in 1993 in its freely distributable library fdlibm (s_erf.c); the error is below one unit in the last place.
const ERF_OF_1 = 8.45062911510467529297e-1; // of 1, to 24 bits
const ERF_NEAR_0 = [
  [
    1.28379167095512558561e-1, -3.25042107247001499370e-1, -2.84817495755985104766e-2, -5.77027029648944159157e-3,
    -2.37630166566501626084e-5,
  ],
  [
    1, 3.97917223959155352819e-1, 6.50222499887672944485e-2, 5.08130628187576562776e-3, 1.32494738004321644526e-4,
    -3.96022827877536812320e-6,
  ],
];
const ERF_NEAR_1 = [
  [
    -2.36211856075265944077e-3, 4.14856118683748331666e-1, -3.72207876035701323847e-1, 3.18346619901161753674e-1,
    -1.10894694282396677476e-1, 3.54783043256182359371e-2, -2.16637559486879084300e-3,
  ],
  [
    1, 1.06420880400844228286e-1, 5.40397917702171048937e-1, 7.18286544141962662868e-2, 1.26171219808761642112e-1,
    1.36370839120290507362e-2, 1.19844998467991074170e-2,
  ],
];
const ERFC_TO_2_8 = [
  [
    -9.86494403484714822705e-3, -6.93858572707181764372e-1, -1.05586262253232909814e1, -6.23753324503260060396e1,
    -1.62396669462573470355e2, -1.84605092906711035994e2, -8.12874355063065934246e1, -9.81432934416914548592,
  ],
  [
    1, 1.96512716674392571292e1, 1.37657754143519042600e2, 4.34565877475229228821e2, 6.45387271733267880336e2,
    4.29008140027567833386e2, 1.08635005541779435134e2, 6.57024977031928170135, -6.04244152148580987438e-2,
  ],
];
const ERFC_BEYOND = [
  [
    -9.86494292470009928597e-3, -7.99283237680523006574e-1, -1.77579549177547519889e1, -1.60636384855821916062e2,
    -6.37566443368389627722e2, -1.02509513161107724954e3, -4.83519191608651397019e2,
  ],
  [
    1, 3.03380607434824582924e1, 3.25792512996573918826e2, 1.53672958608443695994e3, 3.19985821950859553908e3,
    2.55305040643316442583e3, 4.74528541206955367215e2, -2.24409524465858183362e1,
  ],
];

function quotient([above, below], x) {
  return polynomial(above, x) / polynomial(below, x);
}

function erf(x) {
  const size = abs(x);
  if (size < 0.84375) return x + x * quotient(ERF_NEAR_0, x * x);
  if (size < 1.25) return sign(x) * (ERF_OF_1 + quotient(ERF_NEAR_1, size - 1));
  return size < 6 ? sign(x) * (1 - erfcTail(size)) : sign(x);
}

// 1 - erf(x), with every digit where erf(x) is nearly 1.
function erfc(x) {
  const size = abs(x);
  if (size < 0.84375) {
    const more = x * quotient(ERF_NEAR_0, x * x);
    return x < 0.25 ? 1 - (x + more) : 0.5 - (x - 0.5 + more);
  }
  if (size < 1.25) {
    const more = quotient(ERF_NEAR_1, size - 1);
    return x > 0 ? 1 - ERF_OF_1 - more : 1 + (ERF_OF_1 + more);
  }
  return x > 0 ? (x < 28 ? erfcTail(x) : 0) : x > -6 ? 2 - erfcTail(size) : x < 0 ? 2 : NaN;
}

// erfc from 1.25 on: exp(-x * x - 0.5625 + ...) / x, with x * x = z * z + (x - z) * (x + z), where z * z is exact.
function erfcTail(x) {
  const z = Math.fround(x);
  const rest = quotient(x < 1 / 0.35 ? ERFC_TO_2_8 : ERFC_BEYOND, 1 / (x * x));
  return (exp(-z * z - 0.5625) * exp((z - x) * (z + x) + rest)) / x;
}

// erfc(a) / 2 at a = -x / sqrt(2), corrected for what rounding a missed, as in numeric.py.
function normal_cdf(x) {
  const a = -x * sqrt(0.5);
  if (!(abs(x) < 40)) return 0.5 * erfc(a);
  const root = 47453133 / 2 ** 26; // sqrt(1/2) = root + rest
  const rest = -2.799544089368687e-9;
  const h = coarse(x);
  const missed = -h * root - a - h * rest - (x - h) * sqrt(0.5);
  return 0.5 * (erfc(a) - ((missed * 2) / sqrt(Math.PI)) * exp(-a * a));
}

const HELPERS = {
  abs, acos, asin, atan, atan2, cbrt, coarse, cos, cosh, erf, exp, expm1, hypot, log, log10, log1p, log2, maximum, minimum,
  normal_cdf, power, relu, sigmoid, sign, sin, sinh, sqrt, tan, tanh, total,
};
