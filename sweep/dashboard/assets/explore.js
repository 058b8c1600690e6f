/* Brushes of the page Explore, as small as the server needs them. Callbacks find their functions in
   window.dash_clientside.explore. */
"use strict";

(function () {
  const noUpdate = () => window.dash_clientside.no_update;

  const graph = (id) => document.querySelector("#" + id + " .js-plotly-plot");

  /* The box on the lower chart: its ends on both axes, null once it is gone. */
  function boxed(selected, figure, before) {
    const meta = figure && figure.layout && figure.layout.meta;
    if (!meta) return noUpdate();
    const box = (selected && selected.range) || {};
    const ends = (axis) => (Array.isArray(box[axis]) ? box[axis] : null);
    const brush = { view: meta.view, of: figure.layout.uirevision, x: ends("x"), y: ends("y") };
    const gone = !brush.x && (!before || before.of !== brush.of || !before.x);
    return gone || JSON.stringify(brush) === JSON.stringify(before) ? noUpdate() : brush;
  }

  /* The ranges on the parallel axes, by column, and the order of the axes. */
  function passed(restyle, before) {
    const drawn = graph("explore-parallel");
    const trace = drawn && drawn.data && drawn.data[0];
    if (!restyle || !trace || trace.type !== "parcoords") return noUpdate();
    const ranges = {};
    for (const dimension of trace.dimensions) {
      const given = dimension.constraintrange;
      if (given && given.length) ranges[dimension.name] = Array.isArray(given[0]) ? given : [given];
    }
    const brush = { ranges, order: trace.dimensions.map((dimension) => dimension.name) };
    return JSON.stringify(brush) === JSON.stringify(before) ? noUpdate() : brush;
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    explore: { boxed, passed },
  });
})();
