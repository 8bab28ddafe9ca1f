// How numbers, sizes and values are written.

export const count = (number) => Number(number).toLocaleString("en-US");

export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

export const near = (similarity) => (Number.isFinite(similarity) ? similarity.toFixed(3) : "–");

export function share(part, whole) {
  if (!whole) return "–";
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.1) return "<0.1%";
  if (percent < 100 && percent > 99.9) return ">99.9%";
  return `${percent.toFixed(percent < 10 ? 1 : 0)}%`;
}

export function size(bytes) {
  let amount = Number(bytes);
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (amount < 1000 || unit === "TB") return `${unit === "B" ? amount : amount.toPrecision(3)} ${unit}`;
    amount /= 1000;
  }
}

/** A number with six digits at most, as the command line writes it. */
export const digits = (number) => (Number.isInteger(number) ? count(number) : String(Number(number.toPrecision(6))));

/** Any value of a table as text. */
export function plain(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : digits(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.map(plain).join(", ");
  return JSON.stringify(value);
}

/** The name of the host of an address; "" where there is none. */
export function domain(address) {
  try {
    return new URL(address).hostname;
  } catch {
    return "";
  }
}

/** Perceptual hashes are read as hex. */
export function score(name, value) {
  if (value === null || value === undefined) return "no value";
  if (name === "phash" && /^\d+$/.test(String(value))) return BigInt(value).toString(16).padStart(16, "0");
  return typeof value === "number" ? digits(value) : plain(value);
}

export const words = (name) => name.replaceAll("_", " ");

export const isUid = (text) => typeof text === "string" && /^[0-9a-f]{32}$/.test(text);
