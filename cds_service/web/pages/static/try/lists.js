// The lists of what is in the scenario: results, conditions, drugs taken and orders, each with what can be done.

import { $, el } from "./dom.js";
import * as scenario from "./scenario.js";

function item(text, note, ...buttons) {
  return el("li", {}, el("span", { class: "what" }, text), ...buttons, note);
}

function button(label, name, onclick) {
  return el("button", { type: "button", "aria-label": `${label} ${name}`, onclick }, label);
}

function noteOf(understood) {
  if (!understood) return null;
  if (!understood.ingredients.length) return el("span", { class: "note bad" }, "Not recognised: this drug is not checked.");
  const unread = understood.unread.length ? ` Not understood: ${understood.unread.join(", ")}.` : "";
  return el("span", { class: `note${unread ? " bad" : ""}` }, `Read as ${understood.ingredients.join(" + ")}.${unread}`);
}

export function showLists(state, act) {
  const { body, choices, understood } = state;
  const shown = choices.labs.slice(0, 3).flatMap((lab) => lab.loinc);
  const others = scenario.resultsOf(body).filter((found) => !(found.code?.coding ?? []).some((coding) => shown.includes(coding.code)));
  $("results").replaceChildren(...others.map((found) => {
    const text = scenario.resultText(found);
    return item(text, null, button("Remove", text, () => act.change(() => scenario.removeFrom(body, "observations", found))));
  }));
  $("conditions").replaceChildren(...scenario.conditionsOf(body).map((found) => {
    const text = scenario.conditionText(found, choices.conditions);
    return item(text, null, button("Remove", text, () => act.change(() => scenario.removeFrom(body, "conditions", found))));
  }));
  $("no-list").hidden = scenario.hasList(body);
  $("current").replaceChildren(...scenario.currentOf(body).map(({ name, resource }) => drug(resource, understood, act,
    () => scenario.removeFrom(body, name, resource))));
  $("orders").replaceChildren(...scenario.draftsOf(body).map((resource) => drug(resource, understood, act,
    () => scenario.removeDraft(body, resource))));
}

function drug(resource, understood, act, remove) {
  const name = scenario.drugName(resource);
  const dosage = scenario.dosageText(resource);
  const status = ["draft", "active", undefined].includes(resource.status) ? "" : ` (${resource.status})`;
  const kind = scenario.isMedication(resource) ? "" : `${resource.resourceType}: `;
  const edit = scenario.isSimple(resource) ? [button("Edit", name, () => act.edit(resource))] : [];
  return item(`${kind}${name}${dosage ? `, ${dosage}` : ""}${status}`, noteOf(understood.get(scenario.keyOf(resource))),
    ...edit, button("Remove", name, () => act.change(remove)));
}
