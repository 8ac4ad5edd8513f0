// Shared by all pages: keys, messages, dialogs, and news of others' decisions.

export const base = document.body.dataset.base;
export const mayDecide = Boolean(document.body.dataset.mayDecide);
const token = document.querySelector("meta[name=token]").content;
const SAYING = { accepted: "Accepted", rejected: "Rejected", fixed: "Marked as fixed", open: "Reopened" };
const POLL = 3000;

export async function post(path, body, headers = { "content-type": "application/json" }) {
  let response;
  try {
    response = await fetch(base + path, { method: "POST", headers: { "x-token": token, ...headers }, body });
  } catch {
    return { error: "The server cannot be reached. Nothing was changed." };
  }
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return { error: text || "Something went wrong. Nothing was changed." };
  }
}

export async function upload(file) {
  const sent = await post(`/upload?${new URLSearchParams({ name: file.name })}`, file, { "content-type": "application/octet-stream" });
  if (sent.error) throw new Error(sent.error);
  return { sha256: sent.sha256, name: sent.name };
}

// --- messages -----------------------------------------------------------------------------------

export function toast(text, undo) {
  const box = document.createElement("div");
  box.className = "toast";
  box.append(text);
  if (undo) {
    const button = document.createElement("button");
    button.append("Undo ", Object.assign(document.createElement("kbd"), { textContent: "u" }));
    button.addEventListener("click", undo);
    box.append(button);
  }
  document.querySelector("#toasts").replaceChildren(box);
  setTimeout(() => box.remove(), 8000);
}

// --- deciding -----------------------------------------------------------------------------------

export async function decide(flags, said) {
  const answer = await post("/decide", JSON.stringify({ flags, ...said }));
  if (answer.error) toast(answer.error);
  else if (answer.decided.length) remember(answer.decided, words(said, answer.decided.length));
  return answer;
}

function words(said, count) {
  const what = SAYING[said.verdict] ?? (said.tags ? "Tagged" : said.note ? "Note added" : said.assignee ? "Assigned" : "Corrected");
  return count > 1 ? `${what}: ${count} flags.` : `${what}.`;
}

// The last decision is stored in the tab, because the next flag is another page.
export function remember(decided, text) {
  const reviews = Object.fromEntries(decided.map((review) => [review.flag, review.id]));
  sessionStorage.setItem("last", JSON.stringify({ reviews, text }));
}

export function tellLast(undone) {
  const last = JSON.parse(sessionStorage.getItem("last") ?? "null");
  if (!last?.text) return;
  toast(last.text, last.reviews && (() => undo(undone)));
  sessionStorage.setItem("last", JSON.stringify({ ...last, text: "" }));
}

export async function undo(undone) {
  const last = JSON.parse(sessionStorage.getItem("last") ?? "null");
  if (!last?.reviews) return toast("Nothing to undo.");
  sessionStorage.removeItem("last");
  await undoReviews(last.reviews, undone);
}

export async function undoReviews(reviews, undone) {
  const answer = await post("/undo", JSON.stringify({ reviews }));
  if (answer.error) return toast(answer.error);
  const text = answer.left ? `Undone, except ${answer.left} that could no longer be undone.` : "Undone.";
  sessionStorage.setItem("last", JSON.stringify({ text }));
  undone(answer.states);
}

// --- questions ----------------------------------------------------------------------------------

const QUESTIONS = {
  tag: ["Tags, separated by commas", (text) => ({ tags: text.split(",").map((tag) => tag.trim()).filter(Boolean) })],
  note: ["Note", (note) => ({ note })],
  assign: ["Assign to", (assignee) => ({ assignee })],
};

export function ask(name) {
  const dialog = document.querySelector("#ask");
  const field = dialog.querySelector("textarea");
  const [label, read] = QUESTIONS[name];
  dialog.querySelector("label").textContent = label;
  dialog.querySelector(".hint").hidden = name !== "note";
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      const text = field.value.trim();
      resolve(dialog.returnValue === "ok" && text ? read(text) : null);
    };
  });
}

document.querySelector("#ask textarea")?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  document.querySelector("#ask").close("ok");
});

// --- keys ---------------------------------------------------------------------------------------

const keys = {
  "/": () => document.querySelector("#search").select(),
  "?": () => document.querySelector("#keys").showModal(),
  l: () => location.assign(document.querySelector(".top nav a").href),
  d: () => location.assign(document.querySelector(".top nav a + a").href),
};

export function bind(more) {
  Object.assign(keys, more);
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog[open], audio, video");
  if (event.key === "Escape" && field && !field.matches("dialog")) return field.blur();
  if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const act = Object.hasOwn(keys, event.key) && keys[event.key];
  if (!act || (event.key === "Enter" && event.target.closest("a, button"))) return;
  event.preventDefault();
  act();
});
document.querySelector("#show-keys")?.addEventListener("click", () => keys["?"]());

// --- news ---------------------------------------------------------------------------------------

export function saying(review) {
  if (review.retracts) return `${review.by} has just taken back a review of this.`;
  const what = review.verdict ?? (review.corrected ? "corrected" : review.tags.length ? "tagged" : "reviewed");
  return `${review.by} has just ${what === "open" ? "opened" : what} this.`;
}

export function follow(tell) {
  let since = document.body.dataset.news;
  setInterval(async () => {
    if (document.hidden) return;
    const response = await fetch(`${base}/news?since=${since}`).catch(() => null);
    if (!response?.ok) return;
    const news = await response.json();
    since = news.latest;
    tell(news);
  }, POLL);
}
