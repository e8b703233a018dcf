// Cards as an EHR would show them: colour and word, text, what can be done, why one may go on, where it comes from.

import { el } from "./dom.js";

const ABOUT_THE_CHECK = "check";

export function cardElement(card, html, act) {
  const isUnchecked = card.source?.topic?.code === ABOUT_THE_CHECK;
  const body = el("div", { class: "detail" });
  body.innerHTML = html; // made from Markdown by the service, which lets no markup of its own through
  const tag = el("span", { class: `tag ${card.indicator}` }, isUnchecked ? `check incomplete · ${card.indicator}` : card.indicator);
  const article = el("article", { class: `card ${isUnchecked ? "unchecked " : ""}${card.indicator}`, "aria-label": card.summary, "data-card": card.uuid },
    tag, el("h3", {}, card.summary), el("p", { class: "source" }, `${card.source?.label ?? ""} · ${card.source?.topic?.display ?? ""}`), body);
  if (card.suggestions?.length) article.append(suggestions(card, act));
  article.append(overriding(card, act));
  if (card.links?.length) article.append(links(card.links));
  const rules = rulesOf(card);
  if (rules) article.append(rules);
  return article;
}

function suggestions(card, act) {
  const buttons = card.suggestions.map((suggestion) => el("button", {
    type: "button",
    title: (suggestion.actions ?? []).map((action) => action.description).join("; "),
    onclick: () => act.take(card, suggestion),
  }, suggestion.label));
  return el("div", { class: "take", role: "group", "aria-label": "Suggestions" }, ...buttons);
}

function overriding(card, act) {
  const id = `why-${card.uuid}`;
  const reasons = card.overrideReasons ?? [];
  if (!reasons.length) return "";
  const choice = el("select", { id }, ...reasons.map((reason, place) => el("option", { value: place }, reason.display)));
  const comment = el("input", { id: `comment-${card.uuid}`, maxlength: 500 });
  const form = el("form", { class: "override" },
    el("div", { class: "field" }, el("label", { for: id }, "Go on because"), choice),
    el("div", { class: "field grow" }, el("label", { for: `comment-${card.uuid}` }, "Comment"), comment),
    el("button", { type: "submit" }, "Override"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act.override(card, reasons[Number(choice.value)], comment.value.trim(), form);
  });
  return form;
}

function links(found) {
  return el("ul", { class: "links" }, ...found.map((link) => el("li", {},
    /^https?:\/\//.test(link.url) ? el("a", { href: link.url, target: "_blank", rel: "noreferrer noopener" }, link.label) : link.label)));
}

function rulesOf(card) {
  const rules = Object.values(card.extension ?? {}).flatMap((extension) => extension?.rules ?? []);
  const shown = document.body.querySelector('nav a[href="/knowledge"]');
  if (!rules.length || !shown || card.source?.topic?.code === ABOUT_THE_CHECK) return null;
  const items = rules.map((rule) => el("li", {}, el("a", { href: `/knowledge/${encodeURIComponent(rule.id)}` }, rule.id), ` version ${rule.version}, ${rule.indicator}`));
  return el("details", {}, el("summary", {}, rules.length === 1 ? "The rule of this card" : `The ${rules.length} rules of this card`), el("ul", {}, ...items));
}
