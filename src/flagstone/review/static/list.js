// The list: keyboard navigation, multiple selection, and loading rows on scroll.

import { ask, base, bind, decide, follow, mayDecide, saying, tellLast, toast, undo } from "./page.js";

const list = document.querySelector("#rows");
const rows = () => [...(list?.querySelectorAll(".row") ?? [])];
const boxOf = (row) => row.querySelector("input[type=checkbox]");
const selected = () => rows().filter((row) => boxOf(row)?.checked);
let current = null;

function go(row) {
  if (!row) return;
  current?.classList.remove("current");
  current = row;
  row.classList.add("current");
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  sessionStorage.setItem("row", row.dataset.flag);
}

function step(by) {
  const all = rows();
  const place = all.indexOf(current);
  go(all[Math.min(all.length - 1, Math.max(0, place + by))]);
}

function select(on) {
  for (const row of rows()) boxOf(row).checked = on;
  count();
}

function count() {
  const many = selected().length;
  document.querySelector("#selected").textContent = many ? `${many} selected` : "";
}

async function say(said) {
  if (!said || !mayDecide) return;
  const chosen = selected();
  const about = chosen.length ? chosen : current ? [current] : [];
  if (!about.length) return toast("Move to a flag first, with j or k.");
  const answer = await decide(Object.fromEntries(about.map((row) => [row.dataset.flag, row.dataset.seen])), said);
  if (answer.error) return;
  answer.states.forEach(show);
  answer.faster.forEach(warn);
  select(false);
  if (!chosen.length && !answer.faster.length) step(1);
  if (answer.faster.length) toast(`${answer.faster.length} not decided: another reviewer was faster. Decide again to save it anyway.`);
  else tellLast(undone);
}

function undone(states) {
  states.forEach(show);
  tellLast(undone);
}

const rowOf = ({ flag }) => rows().find((row) => row.dataset.flag === flag);

function show(state) {
  const row = rowOf(state);
  if (!row) return;
  row.dataset.seen = state.id;
  row.classList.toggle("done", state.verdict !== "open");
  const verdict = row.querySelector(".verdict");
  verdict.textContent = state.verdict;
  verdict.className = `verdict ${state.verdict}`;
  row.querySelectorAll(".chip.tag").forEach((tag) => tag.remove());
  verdict.after(...state.tags.map((tag) => part("span", "chip tag", tag)));
  row.querySelector(".assignee").textContent = state.assignee ? `@${state.assignee} · ` : "";
}

function warn(review) {
  const row = rowOf(review);
  if (!row) return;
  const line = row.querySelector(".news") ?? row.querySelector(".words").appendChild(part("p", "news problem"));
  line.textContent = saying(review);
}

const part = (name, className, textContent = "") => Object.assign(document.createElement(name), { className, textContent });

function hear({ decided, states }) {
  states.forEach(show);
  decided.forEach(warn);
}

async function extend(more) {
  if (more.ariaBusy) return;
  more.ariaBusy = "true";
  const response = await fetch(more.querySelector("a").href).catch(() => null);
  if (!response?.ok) return void (more.ariaBusy = null);
  const known = new Set(rows().map((row) => row.dataset.group));
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const row of page.querySelectorAll(".row")) if (known.has(row.dataset.group)) row.remove();
  more.remove();
  list.append(...page.body.childNodes);
  watch();
}

const sight = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && extend(entry.target)),
  { rootMargin: "600px" },
);
function watch() {
  const more = list?.querySelector(".more");
  if (more) sight.observe(more);
}

const DO = {
  accepted: () => say({ verdict: "accepted" }),
  rejected: () => say({ verdict: "rejected" }),
  fixed: () => say({ verdict: "fixed" }),
  tag: async () => say(await ask("tag")),
  note: async () => say(await ask("note")),
  assign: async () => say(await ask("assign")),
};
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", DO[button.dataset.do]);
list?.addEventListener("change", count);
list?.addEventListener("focusin", (event) => {
  const row = event.target.closest(".row");
  if (row && row !== current) go(row);
});

const open = () => current && location.assign(current.querySelector("a.open").href);
bind({
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  Enter: open,
  o: open,
});
if (mayDecide) {
  bind({
    a: DO.accepted, r: DO.rejected, f: DO.fixed, t: DO.tag, n: DO.note, s: DO.assign,
    x: () => current && (boxOf(current).click(), step(1)),
    "*": () => select(!selected().length),
    u: () => undo(undone),
  });
}

if (window.matchMedia("(max-width: 760px)").matches) {
  for (const facet of document.querySelectorAll(".facets details")) facet.open = false;
}
watch();
const last = sessionStorage.getItem("row");
go(rows().find((row) => row.dataset.flag === last) ?? rows()[0]);
tellLast(undone);
follow(hear);
document.documentElement.dataset.ready = base || "/";
