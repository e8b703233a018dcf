// The drug field: a combobox (ARIA Authoring Practices, list autocomplete with manual selection).

import { $, el } from "./dom.js";

const LEAST = 2;

export class DrugField {
  constructor() {
    this.input = $("drug");
    this.box = $("found");
    this.chosen = null;
    this.found = [];
    this.at = -1;
    this.asked = 0;
    this.input.addEventListener("input", () => this.search());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
  }

  get value() {
    const drug = this.input.value.trim();
    return { drug, rxnorm: this.chosen && this.chosen.text === drug ? this.chosen.rxnorm : "" };
  }

  set(drug, rxnorm) {
    this.input.value = drug;
    this.chosen = { text: drug, rxnorm };
    this.close();
  }

  async search() {
    const query = this.input.value.trim();
    const turn = (this.asked += 1);
    if (query.length < LEAST) return this.close();
    let found;
    try {
      const answer = await fetch(`/workbench/drugs?q=${encodeURIComponent(query)}`);
      found = answer.ok ? await answer.json() : [];
    } catch {
      found = [];
    }
    if (turn === this.asked && document.activeElement === this.input) this.show(found);
    return undefined;
  }

  show(found) {
    this.found = found;
    this.at = -1;
    this.box.replaceChildren(...found.map((choice, place) => this.option(choice, place)));
    this.box.hidden = !found.length;
    this.input.setAttribute("aria-expanded", String(found.length > 0));
    this.input.removeAttribute("aria-activedescendant");
    $("found-count").textContent = found.length ? `${found.length} found` : "nothing found";
  }

  option(choice, place) {
    const of = choice.kind === "brand" ? ` brand of ${choice.ingredients.join(", ")}` : "";
    const option = el("li", { id: `found-${place}`, role: "option", "aria-selected": "false" }, choice.text, el("span", { class: "of" }, of));
    option.addEventListener("mousedown", (event) => {
      event.preventDefault();
      this.take(place);
    });
    return option;
  }

  move(step) {
    if (!this.found.length) return;
    this.at = (this.at + step + this.found.length) % this.found.length;
    [...this.box.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === this.at)));
    this.input.setAttribute("aria-activedescendant", `found-${this.at}`);
    this.box.children[this.at].scrollIntoView({ block: "nearest" });
  }

  take(place) {
    const choice = this.found[place];
    this.set(choice.text, choice.rxnorm);
    this.input.dispatchEvent(new CustomEvent("chosen", { detail: choice }));
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (this.box.hidden) this.search();
      else this.move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && !this.box.hidden && this.at >= 0) {
      event.preventDefault();
      this.take(this.at);
    } else if (event.key === "Escape") this.close();
  }

  close() {
    this.box.hidden = true;
    this.found = [];
    this.at = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
