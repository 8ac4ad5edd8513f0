// A drawing on a picture with pen and eraser, by pointer or keyboard; saved as PNG.

import { upload } from "./page.js";

const MOST_PIXELS = 40_000_000;
const EMPTY = { width: 800, height: 800 };
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export async function load(src) {
  const image = Object.assign(new Image(), { src: src ?? "data:," });
  await image.decode().catch(() => {
    throw new Error("This picture cannot be drawn on. Replace it with a file.");
  });
  return image;
}

export class Studio {
  #strokes = [];
  #tool = "pen";

  constructor(template, base, layers = [], size = base ?? layers[0] ?? EMPTY) {
    this.element = template.content.firstElementChild.cloneNode(true);
    const [under, canvas] = this.element.querySelectorAll("canvas");
    this.under = under;
    this.canvas = canvas;
    this.layers = layers;
    const width = size.naturalWidth ?? size.width;
    const height = size.naturalHeight ?? size.height;
    if (width * height > MOST_PIXELS) throw new Error("This picture is too large to draw on. Replace it with a file.");
    for (const each of [under, canvas]) Object.assign(each, { width, height });
    if (base) under.getContext("2d").drawImage(base, 0, 0, width, height);
    this.element.querySelector(".stage").style.setProperty("--ratio", width / height);
    this.context = canvas.getContext("2d");
    this.unit = Math.max(width, height) / 400;
    this.at = [width / 2, height / 2];
    this.#redraw();
    this.#listen();
  }

  isTouched = () => this.#strokes.length > 0;
  focus = () => this.canvas.focus();
  layer = () => asFile(this.canvas, "layer.png");

  picture(name) {
    const whole = Object.assign(document.createElement("canvas"), { width: this.canvas.width, height: this.canvas.height });
    for (const each of [this.under, this.canvas]) whole.getContext("2d").drawImage(each, 0, 0);
    return asFile(whole, name);
  }

  #listen() {
    const { canvas, element } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.#begin(this.#place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.#goTo(this.#place(each));
    });
    canvas.addEventListener("pointerup", () => this.#lift());
    canvas.addEventListener("pointercancel", () => this.#lift());
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener("focus", () => this.#showCross());
    canvas.addEventListener("blur", () => (this.#lift(), this.#showCross()));
    element.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.dataset.tool) this.#take(button);
      if (button?.matches("[data-back]")) (this.#strokes.pop(), this.#redraw());
      if (button?.matches("[data-clear]")) (this.#strokes.push({ clears: true }), this.#redraw());
    });
  }

  #take(button) {
    this.#tool = button.dataset.tool;
    for (const each of this.element.querySelectorAll("[data-tool]")) each.ariaPressed = each === button;
  }

  #place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [((clientX - box.x) * this.canvas.width) / box.width, ((clientY - box.y) * this.canvas.height) / box.height];
  }

  // --- strokes ---

  #begin(point) {
    const [color, range] = this.element.querySelectorAll(".tools input");
    const width = Math.max(1.5, range.value * this.unit);
    this.pen = { color: color.value, width, erases: this.#tool === "eraser", points: [point] };
    this.#strokes.push(this.pen);
    this.#line(this.pen, [point, point]);
    this.at = point;
  }

  #goTo(point) {
    if (this.pen) {
      this.#line(this.pen, [this.at, point]);
      this.pen.points.push(point);
    }
    this.at = point;
  }

  #lift() {
    this.pen = null;
  }

  #line({ color, width, erases }, points) {
    const { context } = this;
    Object.assign(context, { strokeStyle: color, lineWidth: width, lineCap: "round", lineJoin: "round" });
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    context.beginPath();
    context.moveTo(points[0][0] - 0.01, points[0][1]); // a line of zero length would not be drawn
    for (const point of points) context.lineTo(...point);
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }

  #redraw() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const cleared = this.#strokes.findLastIndex((stroke) => stroke.clears);
    if (cleared < 0) for (const layer of this.layers) this.context.drawImage(layer, 0, 0);
    for (const stroke of this.#strokes.slice(cleared + 1)) this.#line(stroke, stroke.points);
  }

  // --- by keys ---

  #press(event) {
    if (event.key === " ") {
      if (this.pen) this.#lift();
      else this.#begin(this.at);
    } else if (event.key in STEPS) {
      const far = this.unit * (event.shiftKey ? 40 : 8);
      const [x, y] = STEPS[event.key];
      this.#goTo([clamp(this.at[0] + x * far, this.canvas.width), clamp(this.at[1] + y * far, this.canvas.height)]);
    } else return;
    event.preventDefault();
    this.#showCross();
  }

  #showCross() {
    const cross = this.element.querySelector(".cross");
    cross.hidden = !this.canvas.matches(":focus-visible");
    cross.classList.toggle("down", Boolean(this.pen));
    cross.style.left = `${(100 * this.at[0]) / this.canvas.width}%`;
    cross.style.top = `${(100 * this.at[1]) / this.canvas.height}%`;
  }
}

const clamp = (place, most) => Math.min(Math.max(place, 0), most);

function asFile(canvas, name) {
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(new File([blob], name, { type: "image/png" })), "image/png"));
}

// --- a drawing with its background and layers, as in Gradio's ImageEditor ------------------------

export function take(form) {
  const holder = form.querySelector(".drawing");
  const template = form.querySelector("template[data-studio]");
  const parts = [...holder.querySelectorAll("i")];
  let studio = null;
  let background = null; // the file that replaces the original

  function open(base, layers = [], size = undefined) {
    studio = new Studio(template, base, layers, size);
    holder.replaceChildren(studio.element);
  }
  function fail() {
    holder.replaceChildren("This picture cannot be drawn on. Replace its background with a file.");
  }
  openAll(parts, open).catch(fail);

  const picker = form.querySelector("input[type=file]");
  form.querySelector("[data-pick]").addEventListener("click", () => picker.click());
  picker.addEventListener("change", async () => {
    if (!picker.files[0]) return;
    [background] = picker.files;
    studio = null;
    await createImageBitmap(background).then(open).catch(fail);
  });
  return () => held(parts, studio, background);
}

async function openAll(parts, open) {
  const srcs = (place) => parts.filter((part) => part.dataset.place === place && part.dataset.sha256);
  const [backgrounds, composites, layers] = await Promise.all(
    ["background", "composite", undefined].map((place) => Promise.all(srcs(place).map((part) => load(part.dataset.src)))),
  );
  const base = backgrounds[0] ?? (layers.length ? null : composites[0]);
  await open(base, layers, backgrounds[0] ?? composites[0] ?? layers[0]);
}

async function held(parts, studio, background) {
  const named = ({ dataset: { sha256, name } }) => (sha256 ? { sha256, name } : null);
  const [before, after] = parts.filter((part) => part.dataset.place).map(named);
  const layers = parts.filter((part) => !part.dataset.place).map(named);
  const isDrawn = studio?.isTouched();
  if (!isDrawn && !background) return { places: { background: before, composite: after }, items: layers };
  const under = background ? await upload(background) : before;
  if (!isDrawn) return { places: { background: under, composite: under }, items: [] };
  const layer = await upload(await studio.layer());
  return { places: { background: under, composite: await upload(await studio.picture("composite.png")) }, items: [layer] };
}
