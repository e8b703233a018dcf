// The right side and the exchange: what the service answered, or why there is no answer.

import { cardElement } from "./cards.js";
import { $, el } from "./dom.js";
import { asHtml } from "./service.js";

const KINDS = ["critical", "warning", "info"];

export function showExchange(sent, status, received) {
  $("request").textContent = pretty(sent);
  $("response").textContent = pretty(received);
  $("status").textContent = status;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function nothingYet(text) {
  $("state").replaceChildren(text);
  $("cards").replaceChildren();
  showDay(null);
}

export function showSilence(again) {
  $("state").replaceChildren("No answer.");
  const button = el("button", { type: "button", onclick: again }, "Try again");
  $("cards").replaceChildren(el("div", { class: "alarm", role: "alert" },
    el("p", {}, "The service does not answer. Nothing was checked, and nothing is lost: what you entered stays on this page and in its link."), button));
  showDay(null);
}

export function showRefusal(answer) {
  const issue = answer.json?.issue?.[0];
  const why = issue?.details?.text ?? issue?.diagnostics ?? answer.text.slice(0, 300);
  $("state").replaceChildren(`Refused with status ${answer.status}.`);
  $("cards").replaceChildren(el("div", { class: "alarm", role: "alert" },
    el("p", {}, "The service refused this call, so nothing was checked. An EHR may show this like “no cards”."), el("p", {}, why)));
  showDay(null);
}

export async function showCards(cards, hook, scope, act) {
  const html = await asHtml(cards.map((card) => card.detail ?? ""));
  const counts = KINDS.map((kind) => [cards.filter((card) => card.indicator === kind).length, kind]).filter(([count]) => count);
  const told = counts.map(([count, kind]) => `${count} ${kind}`).join(", ");
  $("state").replaceChildren(`${hook}: ${cards.length === 1 ? "1 card" : `${cards.length} cards`}${told ? ` (${told})` : ""}. ${scope}`);
  $("cards").replaceChildren(...cards.map((card, at) => cardElement(card, html[at], act)));
  if (!cards.length) $("cards").append(el("p", { class: "checked" }, el("strong", {}, "No card. "), scope || "What was checked is not known."));
}

export function showDay(now, other = null, title = "") {
  $("day").hidden = !now;
  $("day-now").replaceChildren(...[[other && title === "Before" ? other : null, "Before"], [now, "Now"],
    [other && title !== "Before" ? other : null, title]].filter(([day]) => day).map(([day, name]) => picture(day, name)));
}

function picture(day, name) {
  const svg = new DOMParser().parseFromString(day.svg, "image/svg+xml").documentElement;
  return el("figure", { class: "picture", tabindex: "0", role: "group", "aria-label": name },
    el("figcaption", {}, `${name}: ${day.overlap ? "doses overlap" : "no doses overlap"}`), svg);
}
