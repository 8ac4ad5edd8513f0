// The files of a correction: chosen, captioned and ordered here, uploaded when it is saved.

import { toast, upload } from "./page.js";

const SMALL = 96;
const chosen = new WeakMap(); // the file to upload, by part
const studios = new WeakMap(); // the drawing, by part

export function take(form) {
  form.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    const part = target.closest(".part");
    if (button?.matches("[data-pick]")) button.nextElementSibling.click();
    if (button?.matches("[data-move]")) move(button, part);
    if (button?.matches("[data-drop]")) drop(form, part);
    if (button?.matches("[data-draw]")) draw(form, button, part);
  });
  form.addEventListener("change", ({ target }) => {
    if (target.type !== "file") return;
    const part = target.closest(".part");
    if (part) choose(part, target.files[0]);
    else [...target.files].forEach((file) => add(form, file));
    target.value = ""; // allows the same file to be chosen again
  });
  return () => held(form);
}

async function held(form) {
  const places = {};
  const items = [];
  for (const part of form.querySelectorAll(".part")) {
    const file = await named(part);
    if (part.dataset.place) places[part.dataset.place] = file;
    else items.push({ ...file, caption: part.querySelector("[data-caption]")?.value ?? "" });
  }
  return { text: form.elements.entered?.value, places, items };
}

async function named(part) {
  const studio = studios.get(part);
  if (studio?.isTouched()) chosen.set(part, await studio.picture(`${part.dataset.name.replace(/\.\w{1,5}$/, "") || "picture"}.png`));
  if (chosen.has(part)) Object.assign(part.dataset, await upload(chosen.get(part)));
  const { sha256, name } = part.dataset;
  return sha256 ? { sha256, name } : null;
}

// --- a part -------------------------------------------------------------------------------------

function add(form, file) {
  form.querySelector(".parts").append(form.querySelector("template[data-part]").content.cloneNode(true));
  const part = form.querySelector(".part:last-child");
  for (const labelled of part.querySelectorAll("[aria-label]")) labelled.ariaLabel = labelled.ariaLabel.replace(/nothing$/, () => file.name);
  choose(part, file);
  (part.querySelector("[data-caption]") ?? part.querySelector("button")).focus();
}

async function choose(part, file) {
  if (!file) return;
  chosen.set(part, file);
  forgetDrawing(part);
  part.dataset.name = file.name;
  part.querySelector("[data-draw]")?.remove();
  part.querySelector("[data-called]").textContent = file.name;
  part.querySelector(".thumb").replaceChildren(...(await thumbnail(file)));
}

async function thumbnail(file) {
  const small = await createImageBitmap(file, { resizeHeight: SMALL }).catch(() => null); // not a picture
  if (!small) return [];
  const canvas = Object.assign(document.createElement("canvas"), { width: small.width, height: small.height });
  canvas.getContext("2d").drawImage(small, 0, 0);
  return [canvas];
}

function move(button, part) {
  if (button.dataset.move === "up") {
    const above = part.previousElementSibling;
    if (above && !above.dataset.place) above.before(part);
  } else part.nextElementSibling?.after(part);
  button.focus();
}

function drop(form, part) {
  if (!part.dataset.place) {
    const next = part.nextElementSibling ?? part.previousElementSibling;
    part.remove();
    return (next?.querySelector("[data-drop]") ?? form.querySelector("[data-pick=more]")).focus();
  }
  chosen.delete(part);
  forgetDrawing(part);
  delete part.dataset.sha256;
  part.querySelector("[data-draw]")?.remove();
  part.querySelector("[data-called]").textContent = "nothing";
  part.querySelector(".thumb").replaceChildren();
}

// --- drawing on a picture -----------------------------------------------------------------------

async function draw(form, button, part) {
  const { load, Studio } = await import("./drawing.js");
  try {
    const studio = new Studio(form.querySelector("template[data-studio]"), await load(part.dataset.src));
    studios.set(part, studio);
    part.append(studio.element);
    studio.focus();
    button.remove();
  } catch (error) {
    toast(error.message);
  }
}

function forgetDrawing(part) {
  studios.get(part)?.element.remove();
  studios.delete(part);
}
