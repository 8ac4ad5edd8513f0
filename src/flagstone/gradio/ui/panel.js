// The flag panel in the browser: opening, keyboard shortcuts, closing.
// `scripts.py` prepends this file to each expression that calls its functions.

const update = (changes) => ({ __type__: "update", ...changes });

// Converts an output's value to the value of its editor; the keys are named in `editors.py`.
const fill = {
  same: (value) => value ?? null,
  json: (value) => (value === null || value === undefined ? "" : JSON.stringify(value, null, 2)),
  label: (value) => {
    const names = (value?.confidences ?? []).map((each) => String(each.label));
    const chosen = value?.label === null || value?.label === undefined ? null : String(value.label);
    const choices = names.includes(chosen) || chosen === null ? names : [chosen, ...names];
    return update({ choices: choices.map((name) => [name, name]), value: chosen });
  },
};

// Calls `then` with the element of this id as soon as it exists and is visible.
const whenShown = (id, then, attempts = 60) => {
  const element = document.getElementById(id);
  if (element?.offsetParent) then(element);
  else if (attempts > 0) requestAnimationFrame(() => whenShown(id, then, attempts - 1));
};

// Gradio accepts only paths below its upload folder; the path of a stream is not, so it is changed.
// The first `count` values are the inputs; Gradio 4 appends the outputs.
const passStreams = (folder, values, count) =>
  values
    .slice(0, count)
    .map((value) => (value?.is_stream ? { ...value, path: `${folder}/${value.path}` } : value));

// A run loaded from Gradio's run history is not of this session. Only the page knows about it.
const noteRestored = () => {
  if (document.referrer.split(/[?#]/)[0].replace(/\/$/, "").endsWith("/gradio_api/runs")) {
    document.cookie = "flagstone_restored=1; Max-Age=10; Path=/; SameSite=Lax";
  }
};

const savingButton = () => {
  noteRestored();
  return update({ value: "Saving…", interactive: false });
};

const press = (id, name) => document.getElementById(`${id}-${name}`)?.click();

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

// State of each panel, by id. Gradio removes the element when the panel closes.
const panels = (window.flagstonePanels ??= {});

const listen = (id) => {
  if (panels[id]) return;
  panels[id] = {};
  const inPanel = (event) => event.target.closest?.(`#${id}`) && !event.isComposing;
  // Runs before the code editor, which would indent: Tab moves to the next field here, too.
  const freeTab = (event) => {
    if (event.key === "Tab" && inPanel(event) && event.target.closest(".cm-editor")) {
      event.stopPropagation();
    }
  };
  document.addEventListener("keydown", freeTab, true);
  document.addEventListener("keydown", (event) => {
    if (!inPanel(event) || event.defaultPrevented) return;
    const { target } = event;
    const isOpenList = target.getAttribute("aria-expanded") === "true";
    const isLine = target.matches('input:not([role="listbox"]):not([role="combobox"])');
    const isCell = target.closest("table, .table-wrap, .cm-editor");
    if (target.type === "radio" && event.key in STEPS) {
      event.preventDefault(); // Gradio's chips share no name, so no browser does this
      const all = [...target.closest("fieldset").querySelectorAll("input[type=radio]")];
      const next = all.at((all.indexOf(target) + STEPS[event.key]) % all.length);
      next.focus();
      next.click();
    } else if (event.key === "Escape" && !isOpenList) {
      event.preventDefault();
      press(id, "cancel");
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey || (isLine && !isCell))) {
      event.preventDefault();
      press(id, "save");
    }
  });
};

// Returns updates for the panel, option, comment, consent, editors, message, receipt and Undo.
const open = (id, { option, consents, fills }, values) => {
  const opener = document.activeElement;
  listen(id);
  whenShown(id, (panel) => {
    panel.setAttribute("role", "group");
    panel.setAttribute("aria-label", "Flag this output");
    panels[id].opener = opener;
    for (const each of panel.querySelectorAll("fieldset:not([aria-label])")) {
      const title = each.querySelector('[data-testid="block-info"]')?.textContent.trim();
      if (title) each.setAttribute("aria-label", title); // Gradio's own group has no name
    }
    const fields = "input:not([type=hidden]):not([type=file]), textarea, select";
    (panel.querySelector("input:checked") ?? panel.querySelector(fields))?.focus();
    panel.scrollIntoView({ block: "nearest" });
  });
  const blank = [update({ value: option }), "", ...(consents ? [false] : [])];
  const editors = fills.map((name, n) => fill[name](values[n]));
  const hide = update({ visible: false });
  return [update({ visible: true }), ...blank, ...editors, hide, hide, hide];
};

const close = (id) => {
  const { opener } = panels[id] ?? {};
  setTimeout(() => opener?.isConnected && opener.focus(), 50);
  return update({ visible: false });
};

// Blocks a second press while the flag is being saved; the answer unblocks the panel.
const saving = (id, values) => {
  noteRestored();
  const panel = document.getElementById(id);
  panel?.setAttribute("aria-busy", "true");
  setTimeout(() => panel?.removeAttribute("aria-busy"), 60_000); // if no answer arrives
  return values;
};

// A notice is sent as text: for the server a component update costs more than saving the flag.
const isRefusal = (notice) => notice.includes('role="alert"');

// Returns updates for the panel, its message, the receipt and Undo.
const told = (id, notice) => {
  document.getElementById(id)?.removeAttribute("aria-busy");
  if (isRefusal(notice)) return [update({}), update({ visible: true }), update({}), update({})];
  return [
    close(id),
    update({ visible: false }),
    update({ value: notice, visible: true }),
    update({ visible: true }),
  ];
};

// Returns updates for the Flag button with this label, and for the notice.
const answered = (label, notice) => [
  update(isRefusal(notice) ? { value: label, interactive: true } : { value: "✓ Saved", interactive: false }),
  update({ value: notice, visible: true }),
];

const shownIfRefused = (notice) => update({ value: notice, visible: isRefusal(notice) });

const undone = (notice) => update({ visible: isRefusal(notice) });

// Hides Undo after a while, unless another flag was saved meanwhile.
const expire = async (id, milliseconds) => {
  const receipt = () => document.querySelector(`#${id}-receipt code`)?.textContent;
  const before = receipt();
  await new Promise((done) => setTimeout(done, milliseconds));
  return receipt() === before ? update({ visible: false }) : update({});
};
