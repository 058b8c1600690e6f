/* What Overview and Explore share: opening a trial from its mark, following a zoom, waiting with
   figures that take long. Callbacks find their functions in window.dash_clientside.charts. */
"use strict";

(function () {
  const noUpdate = () => window.dash_clientside.no_update;

  /* A click on a mark leads to its trial. */
  function open(click, place) {
    const point = click && click.points && click.points[0];
    if (!point || !place) return noUpdate();
    const number = Array.isArray(point.customdata) ? point.customdata[0] : point.customdata;
    if (!(number >= 0)) return noUpdate();
    return "/study/" + encodeURIComponent(place.study) + "/trials/" + number;
  }

  /* The x range that a chart of groups was zoomed to, in the unit of its data; null for all. With
     the chart's uirevision, as the same range means nothing on another axis. */
  function zoomed(relayout, figure, before) {
    const layout = figure && figure.layout;
    if (!relayout || !layout || !layout.meta || !layout.meta.zoomable) return noUpdate();
    if (relayout["xaxis.autorange"]) return before ? null : noUpdate();
    const range = relayout["xaxis.range"] ||
      ["xaxis.range[0]", "xaxis.range[1]"].map((end) => relayout[end]);
    if (range.some((end) => typeof end !== "number")) return noUpdate();
    const log = layout.xaxis && layout.xaxis.type === "log";
    const span = log ? range.map((end) => Math.pow(10, end)) : range;
    return { of: layout.uirevision, span };
  }

  /* The revision that a figure which takes long is due to show: not more often than every
     `pause` milliseconds, and never before the page has it (then `pause` is not known). */
  function due(_, revision, drawn, pause) {
    const now = Date.now();
    if (typeof pause !== "number" || !revision || (drawn && drawn.revision === revision)) return noUpdate();
    if (drawn && now - drawn.at < pause) return noUpdate();
    return { revision, at: now };
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    charts: { open, zoomed, due },
  });
})();
