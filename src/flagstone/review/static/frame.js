// Draws what stands in its page as text, from anybody, as large as the frame.
{
  const place = document.querySelector("#drawn");
  const said = document.querySelector("#said");
  const tall = (height) => height > innerHeight;

  const DRAW = {
    plotly({ data, layout = {}, frames }) {
      const margin = { l: 50, r: 24, t: layout.title ? 56 : 24, b: 44 };
      const fitted = { margin, ...layout, autosize: true, width: undefined, height: tall(layout.height) ? layout.height : undefined };
      const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["toImage"] };
      return Plotly.newPlot(place, { data, layout: fitted, frames, config });
    },

    bokeh(item) {
      for (const { name, attributes } of item.doc.roots) {
        attributes.sizing_mode ??= name !== "Figure" || tall(attributes.height) ? "stretch_width" : "stretch_both";
      }
      return Bokeh.embed.embed_item({ ...item, target_id: null }, place);
    },

    // Expressions are interpreted, not compiled: the policy has no eval. What a chart says about
    // how to embed it could say otherwise, so only its theme is heard.
    altair({ usermeta, ...spec }) {
      const { row, column, facet } = spec.encoding ?? {};
      if ((spec.mark || spec.layer) && !(row || column || facet)) {
        spec.width ??= "container";
        spec.height ??= "container";
        spec.autosize ??= { type: "fit", contains: "padding" };
      }
      const theme = usermeta?.embedOptions?.theme;
      return vegaEmbed(place, spec, { ast: true, actions: false, renderer: "svg", theme });
    },
  };

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
