// The scenario is the body of a hook call; this file reads and changes it. FHIR R4 is written, all else is left as it came.

const RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm";
const UCUM = "http://unitsofmeasure.org";
const LOINC = "http://loinc.org";
const SNOMED = "http://snomed.info/sct";
const PARTS = ["medicationRequests", "medicationStatements", "medicationDispenses", "medicationAdministrations",
  "conditions", "observations"];
const UNIT_NAMES = { "{tbl}": "tablet", "{capsule}": "capsule", ug: "mcg", "{pill}": "pill" };

const list = (value) => (Array.isArray(value) ? value : value && typeof value === "object" ? [value] : []);
const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const bundle = (type = "searchset") => ({ resourceType: "Bundle", type, entry: [] });

export function emptyBody() {
  const prefetch = { patient: { resourceType: "Patient", id: "example" } };
  for (const part of PARTS) prefetch[part] = bundle();
  return {
    context: { userId: "Practitioner/example", patientId: "example", draftOrders: bundle("collection") },
    prefetch,
  };
}

export function isBody(value) {
  const context = object(object(value).context);
  return Boolean(context.patientId && object(context.draftOrders).resourceType === "Bundle");
}

// --- Resources -------------------------------------------------------------------------------------

export function resourcesIn(value) {
  const holder = object(value);
  if (holder.resourceType && holder.resourceType !== "Bundle") return [holder];
  return list(holder.entry).map((entry) => object(object(entry).resource)).filter((found) => found.resourceType);
}

function part(body, name) {
  body.prefetch = object(body.prefetch);
  const found = object(body.prefetch[name]);
  if (found.resourceType !== "Bundle") {
    body.prefetch[name] = { ...bundle(), entry: resourcesIn(found).map((resource) => ({ resource })) };
  }
  body.prefetch[name].entry = list(body.prefetch[name].entry);
  return body.prefetch[name];
}

export const keyOf = (resource) => `${resource.resourceType}/${resource.id}`;
export const draftsOf = (body) => resourcesIn(object(body.context).draftOrders);
export const isMedication = (resource) => /^Medication(Request|Order|Statement|Dispense|Administration)$/.test(resource.resourceType);

export function currentOf(body) {
  const parts = Object.keys(object(body.prefetch)).filter((name) => name.startsWith("medication"));
  return parts.flatMap((name) => resourcesIn(body.prefetch[name]).filter(isMedication).map((resource) => ({ name, resource })));
}

export const hasList = (body) => object(object(body.prefetch).medicationRequests).resourceType != null;

function remove(holder, resource) {
  holder.entry = list(holder.entry).filter((entry) => object(entry).resource !== resource);
}

export function removeDraft(body, resource) {
  remove(body.context.draftOrders, resource);
}

export function removeFrom(body, name, resource) {
  remove(part(body, name), resource);
}

export function newId(body) {
  const taken = new Set([...draftsOf(body), ...currentOf(body).map((found) => found.resource)].map((found) => found.id));
  for (let number = 1; ; number += 1) if (!taken.has(`order-${number}`)) return `order-${number}`;
}

export function addDraft(body, resource) {
  body.context.draftOrders.entry = [...list(body.context.draftOrders.entry), { resource }];
}

export function addCurrent(body, resource) {
  part(body, "medicationRequests").entry.push({ resource });
}

export function replaceResource(body, before, after) {
  for (const holder of [body.context.draftOrders, ...Object.values(object(body.prefetch))]) {
    for (const entry of list(object(holder).entry)) if (entry.resource === before) entry.resource = after;
  }
}

// --- Patient, results, conditions -------------------------------------------------------------------

const patientOf = (body) => object(object(body.prefetch).patient);

export function readPatient(body, today) {
  const found = resourcesIn(patientOf(body))[0] ?? {};
  return { age: ageOn(found.birthDate, today), sex: found.gender ?? "" };
}

function ageOn(born, today) {
  if (!/^\d{4}-\d\d-\d\d/.test(born ?? "")) return /^\d{4}/.test(born ?? "") ? Number(today.slice(0, 4)) - Number(born.slice(0, 4)) : "";
  const years = Number(today.slice(0, 4)) - Number(born.slice(0, 4));
  return years - (today.slice(5, 10) < born.slice(5, 10) ? 1 : 0);
}

export function writePatient(body, { age, sex }, today) {
  const patient = { ...(resourcesIn(patientOf(body))[0] ?? { resourceType: "Patient", id: body.context.patientId }) };
  if (age === "") delete patient.birthDate;
  else if (age !== ageOn(patient.birthDate, today)) {
    const day = today.slice(5) === "02-29" ? "02-28" : today.slice(5);
    patient.birthDate = `${String(Number(today.slice(0, 4)) - age).padStart(4, "0")}-${day}`;
  }
  if (sex === "") delete patient.gender;
  else patient.gender = sex;
  body.prefetch = { ...object(body.prefetch), patient };
}

const codesOf = (concept) => list(object(concept).coding).map((coding) => object(coding).code);
const isOf = (lab) => (resource) => codesOf(resource.code).some((code) => lab.loinc.includes(code));
const takenOn = (resource) => String(resource.effectiveDateTime ?? resource.issued ?? "");

export const resultsOf = (body) => resourcesIn(object(body.prefetch).observations);

export function readResult(body, lab) {
  const found = resultsOf(body).filter(isOf(lab)).sort((a, b) => takenOn(b).localeCompare(takenOn(a)))[0];
  if (!found) return { value: "", unit: lab.units[0].code, date: "" };
  const quantity = object(found.valueQuantity);
  const unit = String(quantity.code ?? quantity.unit ?? "");
  const known = lab.units.find((one) => [one.code, one.name].some((name) => name.toLowerCase() === unit.toLowerCase()));
  return { value: String(quantity.value ?? ""), unit: known ? known.code : lab.units[0].code, date: takenOn(found).slice(0, 10) };
}

export function writeResult(body, lab, { value, unit, date }) {
  const observations = part(body, "observations");
  for (const found of resourcesIn(observations).filter(isOf(lab))) remove(observations, found);
  if (value === "") return;
  observations.entry.push({ resource: {
    resourceType: "Observation",
    id: `result-${lab.id}`,
    status: "final",
    code: { coding: [{ system: LOINC, code: lab.loinc[0] }], text: lab.name },
    subject: { reference: `Patient/${body.context.patientId}` },
    effectiveDateTime: date,
    valueQuantity: { value: Number(value), unit, system: UCUM, code: unit },
  } });
}

export function resultText(resource) {
  const quantity = object(resource.valueQuantity);
  const shown = quantity.value ?? resource.valueString ?? object(resource.valueCodeableConcept).text ?? codesOf(resource.valueCodeableConcept)[0] ?? "";
  return `${nameOf(resource.code) || "result"} ${shown} ${quantity.unit ?? ""} (${takenOn(resource).slice(0, 10) || "no date"})`;
}

export const conditionsOf = (body) => resourcesIn(object(body.prefetch).conditions);

export function conditionText(resource, conditions) {
  const codes = codesOf(resource.code);
  const known = conditions.find((one) => codes.includes(one.coding.code));
  const status = codesOf(resource.clinicalStatus)[0];
  return `${nameOf(resource.code) || (known ? known.name : codes.join(", ")) || "a problem"}${status && status !== "active" ? ` (${status})` : ""}`;
}

export function addCondition(body, { name, coding }) {
  part(body, "conditions").entry.push({ resource: {
    resourceType: "Condition",
    id: `problem-${conditionsOf(body).length + 1}-${Date.now().toString(36)}`,
    clinicalStatus: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/condition-clinical", code: "active" }] },
    code: { coding: [coding], text: name },
    subject: { reference: `Patient/${body.context.patientId}` },
  } });
}

// --- Medications -------------------------------------------------------------------------------------

function nameOf(concept) {
  const found = object(concept);
  return found.text ?? list(found.coding).map((coding) => object(coding).display).find(Boolean) ?? "";
}

export function drugName(resource) {
  const nested = object(resource.medication);
  const reference = object(resource.medicationReference ?? nested.reference);
  const concept = resource.medicationCodeableConcept ?? nested.concept ?? (isMedication(resource) ? undefined : object(resource.code).concept ?? resource.code);
  const contained = list(resource.contained).find((one) => `#${object(one).id}` === reference.reference);
  return nameOf(concept) || codesOf(concept)[0] || reference.display || nameOf(object(contained).code) || "no drug named";
}

const dosagesOf = (resource) => list(resource.dosageInstruction ?? resource.dosage);
const doseOf = (dosage) => object(object(list(dosage.doseAndRate)[0]).doseQuantity ?? dosage.doseQuantity);

export function dosageText(resource) {
  return dosagesOf(resource).map(oneDosage).filter(Boolean).join("; then ");
}

function oneDosage(value) {
  const dosage = object(value);
  const dose = doseOf(dosage);
  const repeat = object(object(dosage.timing).repeat);
  const words = [];
  if (dose.value != null) words.push(`${dose.value} ${UNIT_NAMES[dose.code] ?? dose.unit ?? dose.code ?? ""}`.trim());
  if (list(repeat.timeOfDay).length || Array.isArray(repeat.timeOfDay)) words.push(`at ${repeat.timeOfDay.map((time) => String(time).slice(0, 5)).join(", ")}`);
  else if (repeat.frequency) words.push(often(repeat));
  if (Array.isArray(repeat.when)) words.push(repeat.when.map((code) => (code === "HS" ? "at bedtime" : code)).join(", "));
  const route = nameOf(dosage.route) || codesOf(dosage.route)[0];
  if (route) words.push(route.toLowerCase());
  return words.join(" ") || (typeof dosage.text === "string" ? dosage.text : "");
}

const SPANS = { s: "second", min: "minute", h: "hour", d: "day", wk: "week", mo: "month", a: "year" };

function often({ frequency, period = 1, periodUnit = "d" }) {
  const span = SPANS[periodUnit] ?? periodUnit;
  return `${frequency} × ${period === 1 ? `a ${span}` : `every ${period} ${span}s`}`;
}

export function isSimple(resource) {
  return resource.resourceType === "MedicationRequest" && resource.medicationCodeableConcept != null
    && (resource.dosageInstruction == null || (Array.isArray(resource.dosageInstruction) && resource.dosageInstruction.length <= 1));
}

export function formOf(resource, routes) {
  const dosage = object(dosagesOf(resource)[0]);
  const dose = doseOf(dosage);
  const repeat = object(object(dosage.timing).repeat);
  const coding = list(object(resource.medicationCodeableConcept).coding)[0];
  return {
    drug: drugName(resource),
    rxnorm: coding && coding.system === RXNORM ? coding.code : "",
    amount: dose.value ?? "",
    unit: dose.code ?? dose.unit ?? "",
    often: Array.isArray(repeat.timeOfDay) ? "" : repeat.frequency ?? "",
    clock: Array.isArray(repeat.timeOfDay) ? repeat.timeOfDay.map((time) => String(time).slice(0, 5)).join(" ") : "",
    route: routes.find((one) => codesOf(dosage.route).includes(one.code))?.name ?? "",
  };
}

export function orderFrom(form, { id, draft, patientId, today, routes }) {
  const concept = { text: form.drug };
  if (form.rxnorm) concept.coding = [{ system: RXNORM, code: form.rxnorm, display: form.drug }];
  const order = {
    resourceType: "MedicationRequest",
    id,
    status: draft ? "draft" : "active",
    intent: "order",
    medicationCodeableConcept: concept,
    subject: { reference: `Patient/${patientId}` },
    authoredOn: today,
  };
  const dosage = dosageFrom(form, routes);
  if (Object.keys(dosage).length) order.dosageInstruction = [dosage];
  return order;
}

function dosageFrom(form, routes) {
  const dosage = {};
  if (form.times.length) dosage.timing = { repeat: { timeOfDay: form.times.map((time) => `${time}:00`) } };
  else if (form.often !== "") dosage.timing = { repeat: { frequency: Number(form.often), period: 1, periodUnit: "d" } };
  const route = routes.find((one) => one.name === form.route);
  if (route) dosage.route = { coding: [{ system: SNOMED, code: route.code, display: route.display }] };
  if (form.amount !== "") {
    const quantity = { value: Number(form.amount), unit: UNIT_NAMES[form.unit] ?? form.unit, system: UCUM, code: form.unit };
    dosage.doseAndRate = [{ doseQuantity: quantity }];
  }
  return dosage;
}

// --- Suggestions -------------------------------------------------------------------------------------

export function applied(body, suggestion) {
  const changed = structuredClone(body);
  for (const action of suggestion.actions ?? []) {
    const drafts = draftsOf(changed);
    if (action.type === "create") addDraft(changed, { id: newId(changed), ...action.resource });
    if (action.type === "update") {
      const before = drafts.find((draft) => keyOf(draft) === keyOf(action.resource));
      if (before) replaceResource(changed, before, action.resource);
    }
    if (action.type === "delete") {
      const gone = [action.resourceId].flat().map((id) => String(id).split("/").pop());
      for (const draft of drafts) if (gone.includes(String(draft.id))) removeDraft(changed, draft);
    }
  }
  return changed;
}

export function movesDoses(suggestion) {
  return (suggestion.actions ?? []).some((action) => action.type === "update"
    && dosagesOf(object(action.resource)).some((dosage) => Array.isArray(object(object(object(dosage).timing).repeat).timeOfDay)));
}
