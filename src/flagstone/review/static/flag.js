// The page of one flag: decide, correct, zoom.

import { ask, bind, decide, follow, mayDecide, saying, tellLast, toast, undo, undoReviews } from "./page.js";

const { flag } = document.body.dataset;
const after = document.querySelector("#after");
const before = document.querySelector("#before");
const reload = () => location.reload();

function goTo(link) {
  if (link.href) location.assign(link.href);
  else toast(link === after ? "This is the last flag." : "This is the first flag.");
}

async function say(said, next = reload) {
  if (!said || !mayDecide) return;
  const answer = await decide({ [flag]: document.body.dataset.seen }, said);
  if (answer.error) return answer;
  if (answer.faster.length) insist(answer.faster[0]);
  else next();
  return answer;
}

const onwards = () => (after.href ? location.assign(after.href) : reload());

function insist(review) {
  tell(review);
  document.querySelector("#faster").append(" Your decision was not saved; decide again to save it anyway.");
}

function tell(review) {
  if (review.flag !== flag) return;
  document.body.dataset.seen = review.id;
  const line = document.querySelector("#faster");
  const again = Object.assign(document.createElement("a"), { href: location.href, textContent: "Show it." });
  line.replaceChildren(saying(review), " ", again);
  line.hidden = false;
}

// --- editing ------------------------------------------------------------------------------------

const editors = [...document.querySelectorAll(".editor")];

function edit() {
  const place = editors.findIndex((editor) => !editor.hidden);
  editors.forEach((editor) => (editor.hidden = true));
  const editor = editors[(place + 1) % editors.length];
  if (!editor) return toast("Nothing here can be edited.");
  editor.hidden = false;
  editor.scrollIntoView({ block: "nearest" });
  const field = editor.querySelector("input:not([hidden]), textarea, select") ?? editor.querySelector("button");
  field?.focus();
  field?.select?.();
}

// Modules for files and drawings are loaded only when needed.
const MODULES = { files: "./files.js", drawing: "./drawing.js" };
const holds = new Map();

async function entered(editor) {
  if (holds.has(editor)) return holds.get(editor)();
  switch (editor.dataset.control) {
    case "table":
    case "highlighted":
      return [...editor.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("input, textarea")].map((cell) => cell.value));
    case "choices":
      if (editor.querySelector(".options")) return [...editor.querySelectorAll(":checked")].map((box) => box.value).join("\n");
  }
  return editor.elements.entered.value;
}

async function save(editor) {
  const button = editor.querySelector(".main");
  if (button.disabled) return;
  button.disabled = true; // uploads take time
  try {
    await say({ correction: { [editor.dataset.field]: await entered(editor) } });
  } catch (error) {
    toast(error.message);
  }
  button.disabled = false;
}

for (const editor of editors) {
  const { control } = editor.dataset;
  if (control in MODULES) holds.set(editor, (await import(MODULES[control])).take(editor));
  if (control === "color") pair(...editor.querySelectorAll(".paired input"));
  editor.addEventListener("submit", (event) => (event.preventDefault(), save(editor)));
  editor.querySelector("[data-cancel]").addEventListener("click", () => (editor.hidden = true));
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) editor.requestSubmit();
    if (event.key === "Escape") (event.target.blur(), (editor.hidden = true));
    // Keys pressed on the editor's buttons or canvas must not trigger the page's shortcuts.
    if (!event.target.matches("input, textarea, select")) event.stopPropagation();
  });
  editor.addEventListener("click", ({ target }) => {
    const row = target.closest("tr");
    if (target.closest("[data-remove]")) row.remove();
    if (target.closest("[data-below]")) addRow(editor, row);
    if (target.closest("[data-add]")) addRow(editor);
  });
}

function pair(swatch, line) {
  swatch.addEventListener("input", () => (line.value = swatch.value));
  line.addEventListener("input", () => /^#[0-9a-f]{6}$/i.test(line.value) && (swatch.value = line.value));
}

function addRow(editor, above) {
  const body = editor.querySelector("tbody");
  const row = document.createElement("tr");
  for (let n = 1; n < editor.querySelectorAll("th").length; n++) row.insertCell().append(document.createElement("input"));
  const last = row.insertCell();
  if (body.rows[0]) last.append(...[...body.rows[0].cells].at(-1).cloneNode(true).childNodes);
  if (above) above.after(row);
  else body.append(row);
  row.querySelector("input").focus();
}

// --- looking ------------------------------------------------------------------------------------

const zoomed = document.querySelector("#zoomed");
const pictures = [...document.querySelectorAll(".zoom, .enlarge")];
let nextPicture = 0;

const frameOf = (button) => button.closest(".value").querySelector(".frame iframe");

function zoom(button) {
  if (button.matches(".enlarge")) return frameOf(button).requestFullscreen();
  zoomed.querySelector("img").src = button.querySelector("img").src;
  zoomed.showModal();
}
pictures.forEach((button) => button.addEventListener("click", () => zoom(button)));
zoomed.addEventListener("click", () => zoomed.close());
// After a click, a frame keeps the keyboard focus: take it back when the mouse leaves the frame.
addEventListener("pointermove", () => document.activeElement.matches(".frame iframe") && document.activeElement.blur());
document.addEventListener("change", (event) => {
  const mask = event.target.dataset?.mask;
  const around = mask && event.target.closest(".value").querySelector(`img[data-mask="${Number(mask)}"]`);
  if (around) around.hidden = !event.target.checked;
});

// --- keys ---------------------------------------------------------------------------------------

const DO = {
  accepted: () => say({ verdict: "accepted" }, onwards),
  rejected: () => say({ verdict: "rejected" }, onwards),
  fixed: () => say({ verdict: "fixed" }, onwards),
  tag: async () => say(await ask("tag")),
  note: async () => say(await ask("note")),
  assign: async () => say(await ask("assign")),
  edit,
};
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", DO[button.dataset.do]);
for (const button of document.querySelectorAll("[data-undo]")) {
  const { review } = button.closest("li").dataset;
  button.addEventListener("click", () => undoReviews({ [flag]: review }, reload));
}
bind({
  j: () => goTo(after),
  k: () => goTo(before),
  z: () => pictures.length && zoom(pictures[nextPicture++ % pictures.length]),
});
if (mayDecide) bind({ a: DO.accepted, r: DO.rejected, f: DO.fixed, t: DO.tag, n: DO.note, s: DO.assign, e: edit, u: () => undo(reload) });

sessionStorage.setItem("row", flag);
tellLast(reload);
follow(({ decided }) => decided.forEach(tell));
document.documentElement.dataset.ready = "flag";
