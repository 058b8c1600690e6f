// Charts are drawn when they can be seen: a closed part of the page costs nothing.
const loaded = (async () => {
  const packed = document.getElementById("plotly-gzip").textContent;
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
})();

function draw(root) {
  for (const plot of root.querySelectorAll(".plot:not(.js-plotly-plot)")) {
    if (plot.closest("details:not([open])")) continue;
    const { data, layout, config } = JSON.parse(plot.nextElementSibling.textContent);
    plot.textContent = "";
    if (innerWidth < 640 && data.length > 4) {
      // On a phone the names of a legend stand one below the other, and take their room from marks.
      layout.legend = { ...layout.legend, font: { size: 11 } };
      layout.height += 120;
      plot.style.height = `${layout.height}px`;
    }
    Plotly.newPlot(plot, data, layout, config);
  }
}

loaded.then(() => draw(document), () => {
  for (const plot of document.querySelectorAll(".plot"))
    plot.textContent = "Charts need a browser that has DecompressionStream, of 2023 or later.";
});
document.addEventListener("toggle", (event) => loaded.then(() => draw(event.target)), true);

// Paper shows all, and is narrower than the window that the charts were drawn for.
let closed = [];
const resize = (size) => document.querySelectorAll(".js-plotly-plot").forEach(
  (plot) => Plotly.relayout(plot, size));
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((part) => (part.open = true));
  if (!window.Plotly) return;
  draw(document);
  resize({ width: 660, autosize: false });
});
addEventListener("afterprint", () => {
  closed.forEach((part) => (part.open = false));
  resize({ width: null, autosize: true });
});
