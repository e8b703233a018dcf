// The scenario as a link: packed into the fragment of the address, which no browser sends anywhere.

const DATE = /"(\d{4}-\d{2}-\d{2})(?=["T])/g;
const DAY = 86_400_000;

export function movedDates(text, days) {
  if (!days) return text;
  return text.replace(DATE, (whole, date) => {
    const moved = new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY);
    return Number.isNaN(moved.getTime()) || moved.getUTCFullYear() > 9999 ? whole : `"${moved.toISOString().slice(0, 10)}`;
  });
}

export function daysBetween(from, to) {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY);
}

async function through(stream, bytes) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

export async function packed(value) {
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(JSON.stringify(value)));
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export async function unpacked(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), bytes)));
}
