// The workbench: keeps the scenario, fires the services, and shows what comes back.

import * as answer from "./answer.js";
import { $, say } from "./dom.js";
import { daysBetween, movedDates, packed, unpacked } from "./link.js";
import { showLists } from "./lists.js";
import * as scenario from "./scenario.js";
import { DrugField } from "./search.js";
import * as service from "./service.js";

const SIGN = "interactions-order-sign";
const SELECT = "interactions-order-select";
const HOOKS = { [SIGN]: "order-sign", [SELECT]: "order-select" };
const TIME = /^([01]?\d|2[0-3]):([0-5]\d)$/;
const WAIT = 250; // milliseconds without a further change

const state = {
  today: $("main").querySelector("[data-today]").dataset.today,
  choices: { conditions: [], labs: [], routes: [] },
  body: scenario.emptyBody(),
  raw: null, // text of a fixture that is no hook call
  service: SELECT,
  understood: new Map(),
  sent: "",
  day: null,
  before: null, // the picture before a suggestion was taken
  edited: null,
  turn: 0,
};
const field = new DrugField();
let timer = 0;

// --- Firing ------------------------------------------------------------------------------------------

function callText(name) {
  if (state.raw !== null) return state.raw;
  const body = structuredClone(state.body);
  body.hook = HOOKS[name];
  body.hookInstance = crypto.randomUUID();
  delete body.context.selections;
  if (name === SELECT) body.context.selections = scenario.draftsOf(body).map(scenario.keyOf);
  return JSON.stringify(body);
}

async function fire(name, asSent = null) {
  const text = asSent ?? callText(name);
  clearTimeout(timer);
  const turn = (state.turn += 1);
  state.service = name;
  state.sent = text;
  keepInAddress();
  if (asSent === null && state.raw === null && !scenario.draftsOf(state.body).length) {
    answer.nothingYet("No order yet, so nothing was checked.");
    answer.showExchange("", "", "");
    return;
  }
  try {
    const found = await service.fire(name, text);
    const seen = state.raw === null ? await service.look(HOOKS[name] ? name : SIGN, text) : { ok: false };
    if (turn === state.turn) await show(name, text, found, seen.ok ? seen.json : null, turn);
  } catch (error) {
    if (!(error instanceof service.Silent)) throw error;
    if (turn === state.turn) answer.showSilence(() => fire(name));
  }
}

async function show(name, text, found, seen, turn) {
  state.understood = new Map((seen?.medications ?? []).map((one) => [one.key, one]));
  state.day = seen?.day ?? null;
  lists();
  answer.showExchange(text, found.status, found.text);
  if (!found.ok || !Array.isArray(found.json?.cards)) {
    answer.showRefusal(found);
    return;
  }
  await answer.showCards(found.json.cards, HOOKS[name] ?? name, seen?.scope ?? "", { take, override });
  await showDay(name, found.json.cards, turn);
}

async function showDay(name, cards, turn) {
  if (state.before) {
    answer.showDay(state.day, state.before, "Before");
    return;
  }
  const moving = cards.flatMap((card) => card.suggestions ?? []).find(scenario.movesDoses);
  answer.showDay(state.day);
  if (!moving || !state.day) return;
  const changed = scenario.applied(JSON.parse(state.sent), moving);
  const seen = await service.look(name, changed);
  if (turn === state.turn && seen.ok && seen.json.day) answer.showDay(state.day, seen.json.day, `With “${moving.label}”`);
}

// --- Changing ----------------------------------------------------------------------------------------

function change(how) {
  how();
  state.raw = null;
  state.before = null;
  afterChange();
}

function afterChange() {
  lists();
  clearTimeout(timer);
  timer = setTimeout(() => fire(SELECT), WAIT);
  keepInAddress();
}

function lists() {
  showLists(state, { change, edit });
}

async function take(card, suggestion) {
  const before = state.day;
  state.body = scenario.applied(state.body, suggestion);
  state.before = scenario.movesDoses(suggestion) ? before : null;
  const name = state.service;
  lists();
  say(`Taken: ${suggestion.label}`);
  await Promise.all([
    feedback(name, { card: card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] }),
    fire(name),
  ]);
}

async function override(card, reason, comment, form) {
  const overrideReason = { reason: { code: reason.code, system: reason.system, display: reason.display } };
  if (comment) overrideReason.userComment = comment;
  const kept = await feedback(state.service, { card: card.uuid, outcome: "overridden", overrideReason });
  if (kept) {
    form.replaceChildren(`Overridden: ${reason.display}${comment ? ` (“${comment}”)` : ""}.`);
    form.setAttribute("tabindex", "-1");
    form.focus();
  }
}

async function feedback(name, told) {
  try {
    const found = await service.tell(name, { ...told, outcomeTimestamp: new Date().toISOString() });
    if (found.ok) return true;
    say(`The feedback was not kept (status ${found.status}).`);
  } catch (error) {
    if (!(error instanceof service.Silent)) throw error;
    say("The service does not answer; the feedback was not kept.");
  }
  return false;
}

// --- The form ----------------------------------------------------------------------------------------

function showPatient() {
  const { age, sex } = scenario.readPatient(state.body, state.today);
  $("age").value = age;
  $("sex").value = ["female", "male"].includes(sex) ? sex : "";
  $("pregnant").checked = scenario.conditionsOf(state.body).some(isPregnancy);
  for (const row of document.querySelectorAll("[data-lab]")) {
    const lab = labOf(row.dataset.lab);
    const found = scenario.readResult(state.body, lab);
    $(`lab-${lab.id}`).value = found.value;
    $(`unit-${lab.id}`).value = found.unit;
    $(`date-${lab.id}`).value = found.date;
  }
}

const labOf = (id) => state.choices.labs.find((lab) => lab.id === id);
const pregnancy = () => state.choices.conditions.find((one) => one.id === "pregnancy");
const isPregnancy = (found) => (found.code?.coding ?? []).some((coding) => coding.code === pregnancy()?.coding.code);

function patientChanged() {
  const age = $("age").value.trim();
  if (age !== "" && !(Number(age) >= 0 && Number(age) <= 125)) return say("The age is a number from 0 to 125.");
  say("");
  return change(() => scenario.writePatient(state.body, { age: age === "" ? "" : Math.floor(Number(age)), sex: $("sex").value }, state.today));
}

function pregnancyChanged() {
  change(() => {
    for (const found of scenario.conditionsOf(state.body).filter(isPregnancy)) scenario.removeFrom(state.body, "conditions", found);
    if ($("pregnant").checked) scenario.addCondition(state.body, pregnancy());
  });
}

function resultChanged(lab) {
  const value = $(`lab-${lab.id}`).value.trim().replace(",", ".");
  if (value !== "" && !(Number(value) > 0)) return say(`${lab.name} is not a positive number.`);
  say("");
  if (value !== "" && !$(`date-${lab.id}`).value) $(`date-${lab.id}`).value = state.today;
  return change(() => scenario.writeResult(state.body, lab, { value, unit: $(`unit-${lab.id}`).value, date: $(`date-${lab.id}`).value }));
}

function readForm() {
  const clock = $("clock").value.trim().split(/[\s,;]+/).filter(Boolean);
  const form = { ...field.value, amount: $("amount").value.trim().replace(",", "."), unit: $("unit").value, often: $("often").value.trim(), route: $("route").value };
  const wrong = clock.filter((time) => !TIME.test(time));
  if (!form.drug) return fault("Which drug? Type at least two letters and choose one, or write a name.", "drug");
  if (form.amount !== "" && !(Number(form.amount) > 0)) return fault("The amount is a positive number, such as 1 or 0.5.", "amount");
  if (form.often !== "" && !/^([1-9]|1\d|2[0-4])$/.test(form.often)) return fault("Times a day is a whole number from 1 to 24.", "often");
  if (wrong.length) return fault(`“${wrong[0]}” is no clock time. Write times such as 08:00 20:00.`, "clock");
  fault("");
  return { ...form, times: clock.map((time) => time.padStart(5, "0")).sort() };
}

function fault(text, where) {
  $("form-fault").textContent = text;
  if (where) $(where).focus();
  return null;
}

function addDrug(draft) {
  const form = readForm();
  if (!form) return;
  const { edited, body, today, choices } = state;
  const made = scenario.orderFrom(form, { id: edited?.id ?? scenario.newId(body), draft: edited ? edited.status === "draft" : draft,
    patientId: body.context.patientId, today, routes: choices.routes });
  change(() => {
    if (edited) scenario.replaceResource(body, edited, { ...edited, ...made, status: edited.status, dosageInstruction: made.dosageInstruction });
    else if (draft) scenario.addDraft(body, made);
    else scenario.addCurrent(body, made);
  });
  clearForm();
  $("drug").focus();
}

function edit(resource) {
  state.edited = resource;
  const form = scenario.formOf(resource, state.choices.routes);
  field.set(form.drug, form.rxnorm);
  for (const name of ["amount", "often", "clock", "route"]) $(name).value = form[name];
  if ([...$("unit").options].some((option) => option.value === form.unit)) $("unit").value = form.unit;
  $("h-add").textContent = `Change ${form.drug}`;
  $("add-order").textContent = "Change it";
  $("add-current").hidden = true;
  $("end-edit").hidden = false;
  $("drug").focus();
}

function clearForm() {
  state.edited = null;
  field.set("", "");
  for (const name of ["amount", "often", "clock", "route"]) $(name).value = "";
  $("h-add").textContent = "Add a drug";
  $("add-order").textContent = "Add to the orders";
  $("add-current").hidden = false;
  $("end-edit").hidden = true;
}

// --- Opening and keeping -----------------------------------------------------------------------------

function open(text, name, asSent = true) {
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // some fixtures are no JSON, to see what the service says
  }
  const usable = scenario.isBody(body);
  state.body = usable ? body : scenario.emptyBody();
  state.raw = usable ? null : text;
  state.before = null;
  state.understood = new Map();
  clearForm();
  showPatient();
  lists();
  return asSent || !usable ? fire(name, text) : fire(name);
}

async function openFixture(name) {
  if (!name) return open(JSON.stringify(scenario.emptyBody()), SELECT, false);
  const found = await reached(() => service.get(`/workbench/fixtures/${encodeURIComponent(name)}`));
  if (!found?.ok) return found && say("There is no such example.");
  say("");
  return open(found.json.body, found.json.service);
}

async function openExample(card, number) {
  const found = await reached(() => service.get(`/knowledge/${encodeURIComponent(card)}/examples/${encodeURIComponent(number)}`));
  if (!found?.ok) return found && say("There is no such example.");
  const name = found.json.hook === "order-select" ? SELECT : SIGN;
  return open(JSON.stringify(found.json), name);
}

async function reached(what) {
  try {
    return await what();
  } catch (error) {
    if (!(error instanceof service.Silent)) throw error;
    say("The service does not answer. Nothing was changed.");
    return null;
  }
}

let keeping = 0;

async function keepInAddress() {
  const turn = (keeping += 1);
  const kept = { d: state.today, s: state.service, t: state.raw ?? JSON.stringify(state.body) };
  const text = await packed(kept);
  if (turn === keeping) history.replaceState(null, "", `#s=${text}`);
}

async function openAddress(hash) {
  keeping += 1; // what is being packed is of the scenario before
  const [kind, ...rest] = hash.slice(1).split("=");
  const value = decodeURIComponent(rest.join("="));
  if (kind === "fixture") return openFixture(($("fixture").value = value));
  if (kind === "example") return openExample(...value.split("/"));
  if (kind !== "s") return openFixture("");
  try {
    const kept = await unpacked(value);
    return open(movedDates(kept.t, daysBetween(kept.d, state.today)), kept.s, false);
  } catch {
    say("This link is damaged; an empty patient is shown.");
    return openFixture("");
  }
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied.`);
  } catch {
    say(`${what} could not be copied: the browser does not allow it here.`);
  }
}

function asCurl() {
  const url = `${location.origin}/cds-services/${state.service}`;
  return `curl -sS '${url}' -H 'Content-Type: application/json' --data-binary @- <<'END_OF_CALL'\n${state.sent}\nEND_OF_CALL\n`;
}

function listen() {
  $("fixture").addEventListener("change", () => openFixture($("fixture").value));
  $("sign").addEventListener("click", () => fire(SIGN));
  $("copy-link").addEventListener("click", () => copy(location.href, "Link"));
  $("copy-curl").addEventListener("click", () => copy(asCurl(), "Command"));
  for (const id of ["age", "sex"]) $(id).addEventListener("change", patientChanged);
  $("pregnant").addEventListener("change", pregnancyChanged);
  for (const row of document.querySelectorAll("[data-lab]")) row.addEventListener("change", () => resultChanged(labOf(row.dataset.lab)));
  $("add-result").addEventListener("click", addResult);
  $("add-condition").addEventListener("click", addCondition);
  $("condition").addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), addCondition()));
  $("drug-form").addEventListener("submit", (event) => (event.preventDefault(), addDrug(true)));
  $("add-current").addEventListener("click", () => addDrug(false));
  $("end-edit").addEventListener("click", clearForm);
  $("drug").addEventListener("chosen", (event) => suggestUnit(event.detail.text));
  window.addEventListener("hashchange", (event) => openAddress(new URL(event.newURL).hash));
}

function suggestUnit(text) {
  if (/capsule/i.test(text)) $("unit").value = "{capsule}";
  else if (/tablet/i.test(text)) $("unit").value = "{tbl}";
}

function addResult() {
  const lab = labOf($("other-lab").value);
  const value = $("other-value").value.trim().replace(",", ".");
  if (!(Number(value) > 0)) return say(`${lab.name} is a positive number.`);
  say("");
  $("other-value").value = "";
  return change(() => scenario.writeResult(state.body, lab, { value, unit: lab.units[0].code, date: state.today }));
}

function addCondition() {
  const typed = $("condition").value.trim().toLowerCase();
  const found = state.choices.conditions.find((one) => one.name.toLowerCase() === typed);
  if (!found) return say(typed ? "This condition is in no rule. Choose one of the list." : "Which condition?");
  say("");
  $("condition").value = "";
  return change(() => scenario.addCondition(state.body, found));
}

async function start() {
  const found = await service.get("/workbench/choices");
  state.choices = found.json;
  listen();
  reached(() => service.get("/workbench/drugs?q=")); // has the service make its index before the first letter is typed
  await openAddress(location.hash);
  document.body.dataset.ready = "yes";
}

start();
