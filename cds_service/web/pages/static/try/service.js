// Calls to the service. What does not answer is told apart from what refuses.

export class Silent extends Error {}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Silent();
  }
  const text = await response.text();
  let json = null;
  try {
    json = JSON.parse(text);
  } catch {
    // an answer that is no JSON is shown as it is
  }
  return { status: response.status, ok: response.ok, text, json };
}

const post = (path, body) => ask(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body),
});

export const get = (path) => ask(path);
export const fire = (service, text) => post(`/cds-services/${encodeURIComponent(service)}`, text);
export const look = (service, body) => post(`/workbench/look/${encodeURIComponent(service)}`, body);
export const tell = (service, feedback) => post(`/cds-services/${encodeURIComponent(service)}/feedback`, { feedback: [feedback] });

export async function asHtml(texts) {
  const answer = await post("/workbench/markdown", texts);
  return answer.ok ? answer.json : texts.map(() => "");
}
