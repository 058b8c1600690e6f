/* The page Why: the slider over the width shows one of the trials, whose pictures are all there. */
"use strict";

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  why: {
    show: (at, by, _, scale) => {
      const { widths, start } = scale || { widths: [], start: 0 };
      const shown = Math.min(at || 0, Math.max(widths.length - 1, 0));
      const stages = document.getElementById("why-stages");
      Array.from(stages ? stages.children : []).forEach((stage, place) => {
        stage.hidden = place !== shown;
      });
      const moved = widths.length && shown !== start;
      return { by: by === "all" ? "" : by, width: moved ? String(widths[shown]) : "" };
    },
    remember: (query) => query,
  },
});
