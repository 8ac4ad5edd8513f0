// Draws untrusted data, which its page contains as text, in the size of the frame.
{
  const place = document.querySelector("#drawn");
  const said = document.querySelector("#said");
  const tall = (height) => height > innerHeight;

  // Bokeh retries requests for map tiles forever, and the policy refuses them.
  const withoutTiles = (_, part) =>
    part?.name === "TileRenderer" ? { ...part, attributes: { ...part.attributes, visible: false } } : part;

  const DRAW = {
    plotly({ data, layout = {}, frames }) {
      if (!Array.isArray(data)) throw new Error("it has no traces.");
      const margin = { l: 50, r: 24, t: layout.title ? 56 : 24, b: 44 };
      const fitted = { margin, ...layout, autosize: true, width: undefined, height: tall(layout.height) ? layout.height : undefined };
      const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["toImage"] };
      return Plotly.newPlot(place, { data, layout: fitted, frames, config });
    },

    bokeh(given) {
      const item = JSON.parse(JSON.stringify(given), withoutTiles);
      for (const { name, attributes } of item.doc.roots) {
        attributes.sizing_mode ??= name !== "Figure" || tall(attributes.height) ? "stretch_width" : "stretch_both";
      }
      return Bokeh.embed.embed_item({ ...item, target_id: null }, place);
    },

    // Expressions are interpreted, not compiled, because the policy forbids eval. A chart's own
    // embed options could change that, so only its theme is used.
    altair({ usermeta, ...spec }) {
      if (!spec.$schema) throw new Error("it has no $schema.");
      const { row, column, facet } = spec.encoding ?? {};
      if ((spec.mark || spec.layer) && !(row || column || facet)) {
        spec.width ??= "container";
        spec.height ??= "container";
        spec.autosize ??= { type: "fit", contains: "padding" };
        spec.padding ??= 10;
      }
      const theme = usermeta?.embedOptions?.theme;
      const loader = { target: "_blank" };  // the sandbox opens no windows
      return vegaEmbed(place, spec, { ast: true, actions: false, renderer: "svg", theme, loader });
    },
  };

  // Following a link would leave the frame empty.
  const isLink = (node) => node.localName === "a";
  addEventListener("click", (event) => event.composedPath().some(isLink) && event.preventDefault(), true);

  const draw = async () => DRAW[document.body.dataset.library](JSON.parse(document.querySelector("#plot").textContent));

  draw().then(
    () => {
      said.replaceChildren();
      document.documentElement.dataset.ready = "drawn";
    },
    (error) => {
      place.replaceChildren();
      said.textContent = `This cannot be drawn: ${error.message}`;
      document.documentElement.dataset.ready = "refused";
    },
  );
}
