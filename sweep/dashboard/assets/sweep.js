/* What the dashboard does in the browser: the pulse, the address, keys, downloads.
   Callbacks find their functions in window.dash_clientside.sweep. */
"use strict";

(function () {
  const noUpdate = () => window.dash_clientside.no_update;
  const LOST = "The dashboard does not answer. Trying again …";

  /* ---- the pulse: is there anything new? ------------------------------------------------ */

  let asking = false;

  function busy() {
    // A page that is still drawing the last news is not asked to draw the next.
    return document.querySelector("[data-dash-is-loading]") !== null;
  }

  async function pulse(_, place, revision, problem) {
    const nothing = [noUpdate(), noUpdate()];
    if (asking || document.hidden || !place || busy()) return nothing;
    asking = true;
    try {
      const asked = new URLSearchParams({ study: place.study || "", page: place.page });
      const answer = await fetch("/api/revision?" + asked, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const told = await answer.json();
      const said = told.problem || "";
      if (place.page === "failure" && told.revision) window.location.reload();
      return [
        told.revision && told.revision !== revision ? told.revision : noUpdate(),
        // What a callback complained of stays until something new arrives.
        said !== (problem || "") && (said || lostOrGone(problem)) ? said : noUpdate(),
      ];
    } catch (error) {
      return [noUpdate(), problem === LOST ? noUpdate() : LOST];
    } finally {
      asking = false;
    }
  }

  function lostOrGone(problem) {
    return problem === LOST || /Trying again …$/.test(problem || "");
  }

  /* ---- the address ---------------------------------------------------------------------- */

  function address(query, path) {
    if (!query || !isHere(path)) return;
    if ("where" in query) carry(query.where);
    const wanted = Object.entries(query).filter(([, value]) => value);
    const text = wanted.map(([key, value]) => key + "=" + encodeURIComponent(value)).join("&");
    const url = window.location.pathname + (text ? "?" + text : "");
    if (url !== window.location.pathname + window.location.search) {
      window.history.replaceState(window.history.state, "", url);
    }
  }

  /* Not of a page that is being left: the next one's address stands there already. */
  function isHere(path) {
    const plain = (text) => decodeURIComponent(text).replace(/\/+$/, "");
    return typeof path === "string" && plain(path) === plain(window.location.pathname);
  }

  /* The tabs of the grid and of Explore lead to the trials that the page's filter lets through. */
  function carry(where) {
    const study = window.location.pathname.split("/").slice(0, 3).join("/");
    for (const page of ["trials", "explore"]) {
      const href = study + "/" + page + (where ? "?where=" + encodeURIComponent(where) : "");
      window.dash_clientside.set_props("tab-" + page, { href });
    }
  }

  function entitle(title) {
    if (title) document.title = title;
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    sweep: { pulse, address, entitle },
  });

  /* ---- charts: fetch Plotly while the page is still on its way --------------------------- */

  if (/^\/compare$|^\/study\/[^/]+(\/explore|\/why|\/trials\/\d+)?$/.test(window.location.pathname)) {
    const link = document.createElement("link");
    link.rel = "preload";
    link.as = "script";
    link.href = "/_dash-component-suites/plotly/package_data/plotly.min.js";
    document.head.append(link);
  }

  /* ---- light and dark: AG Grid learns it from Mantine ------------------------------------ */

  function followScheme() {
    const scheme = document.documentElement.getAttribute("data-mantine-color-scheme");
    if (scheme) document.body.setAttribute("data-ag-theme-mode", scheme);
  }
  new MutationObserver(followScheme).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-mantine-color-scheme"],
  });

  /* ---- downloads ------------------------------------------------------------------------ */

  function download(button) {
    const card = button.closest(".figure-card");
    const graph = card && card.querySelector(".js-plotly-plot");
    if (!graph) return;
    const study = decodeURIComponent((location.pathname.split("/")[2] || "sweep"));
    const name = study + "-" + (graph.parentElement.id || "figure");
    const kind = button.dataset.download;
    if (kind === "csv") {
      if (!graph.layout.meta) return;  // the chart is still on its way
      const link = document.createElement("a");
      link.href = graph.layout.meta.csv;  // the same rows as of `sweep figure`
      link.download = name + ".csv";
      return link.click();
    }
    // A picture needs the page's ground: without it, its text may be unreadable elsewhere.
    const { backgroundColor, color } = getComputedStyle(card);
    const layout = { ...graph.layout, paper_bgcolor: backgroundColor, font: { ...graph.layout.font, color } };
    window.Plotly.downloadImage({ data: graph.data, layout }, {
      format: kind, filename: name, width: graph.clientWidth, height: graph.clientHeight, scale: 2,
    });
  }

  /* Browsers have a clipboard only over https and on this machine: elsewhere by the old way. */
  async function write(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const box = document.createElement("textarea");
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }

  async function copy(button) {
    await write(button.dataset.copy);
    const before = button.textContent;
    button.textContent = "copied";
    setTimeout(() => (button.textContent = before), 1200);
  }

  /* ---- what a phone folds: style sheets follow aria-expanded ------------------------------ */

  function unfold(button) {
    if (button) button.setAttribute("aria-expanded", button.getAttribute("aria-expanded") !== "true");
  }

  function foldPages() {
    const menu = document.getElementById("show-pages");
    if (menu) menu.setAttribute("aria-expanded", "false");
  }

  document.addEventListener("click", (event) => {
    const folded = event.target.closest("[data-unfold]");
    unfold(folded);
    if (!folded) foldPages();
    const button = event.target.closest("[data-download], [data-copy], #show-keys");
    if (!button) return;
    if (button.id === "show-keys") document.getElementById("keys").showModal();
    else if (button.dataset.download) download(button);
    else copy(button);
  });

  /* ---- keys ------------------------------------------------------------------------------ */

  const press = (selector) => {
    const found = document.querySelector(selector);
    const target = found && (found.querySelector("a, button") || found);
    if (target) target.click();
    return target;
  };
  const KEYS = {
    "/": () => {
      const box = document.querySelector("[data-search] input, input[data-search]");
      if (box) box.focus();
    },
    j: () => press("[data-key=next]") || window.dash_clientside.trials.move(1),
    k: () => press("[data-key=previous]") || window.dash_clientside.trials.move(-1),
    c: () => press("[data-key=compare]"),
    o: () => press("#tab-overview"),
    y: () => press("#tab-why"),
    t: () => press("#tab-trials"),
    e: () => press("#tab-explore"),
    w: () => press("#tab-workers"),
    "?": () => document.getElementById("keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") foldPages();
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable=true], dialog[open]")) return;
    const action = KEYS[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
})();
