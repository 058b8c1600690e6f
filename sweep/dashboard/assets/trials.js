/* The grid of trials: asks for its rows block by block, keeps its place, order and selection over
   live updates, and tells the page what is selected. */
"use strict";

(function () {
  const MOST_COMPARED = 8;
  const GRID = "trials-grid";

  /* What the grid shows now, and the grid itself. */
  let shown = { api: null, study: "", where: "", columns: "", revision: "" };
  let chosen = new Set(); // trial numbers, also of rows that are not loaded

  const setProps = (id, props) => window.dash_clientside.set_props(id, props);

  /* ---- rows ------------------------------------------------------------------------------ */

  function sortText(model) {
    return model.map((by) => (by.sort === "desc" ? "-" : "") + by.colId).join(",");
  }

  async function getRows(params) {
    const { study, where, columns } = shown;
    const wanted = new URLSearchParams({
      study, where, columns, sort: sortText(params.sortModel),
      first: params.startRow, rows: params.endRow - params.startRow,
    });
    try {
      const answer = await fetch("/api/trials?" + wanted, { cache: "no-store" });
      const told = await answer.json();
      if (told.problem) setProps("problem", { children: told.problem });
      if (told.problem || study !== shown.study || where !== shown.where) return params.failCallback();
      params.successCallback(told.rows, told.n);
      tellCount(told.n, told.n_all);
    } catch (error) {
      params.failCallback(); // the pulse says that the dashboard does not answer
    }
  }

  function tellCount(n, all) {
    const number = (of) => of.toLocaleString("en-US");
    const trials = all === 1 ? " trial" : " trials";
    const text = n === all ? number(all) + trials : number(n) + " of " + number(all) + trials;
    setProps("trials-count", { children: all ? text : "No trial yet." });
    if (n) shown.api.hideOverlay();
    else shown.api.showNoRowsOverlay();
  }

  /* ---- selection: kept here by number, since rows come and go ---------------------------- */

  function onRowSelected(event) {
    if (event.source === "api" || !event.node.data) return;
    const number = Number(event.node.data.number);
    if (event.node.isSelected()) chosen.add(number);
    else chosen.delete(number);
    tellChosen();
  }

  function tellChosen() {
    setProps("trials-selected", { data: [...chosen].sort((a, b) => a - b) });
  }

  function markChosen() {
    const differ = { true: [], false: [] };
    shown.api.forEachNode((node) => {
      const wanted = Boolean(node.data) && chosen.has(Number(node.data.number));
      if (node.data && Boolean(node.isSelected()) !== wanted) differ[wanted].push(node);
    });
    for (const newValue of [true, false]) {
      const nodes = differ[newValue];
      if (nodes.length) shown.api.setNodesSelected({ nodes, newValue, source: "api" });
    }
  }

  /* ---- keys: the row below or above, its trial ------------------------------------------- */

  function move(step) {
    const api = shown.api;
    if (!api || api.isDestroyed() || !document.getElementById(GRID)) return;
    const before = api.getFocusedCell();
    const row = before ? before.rowIndex + step : 0;
    if (row < 0 || row >= api.getDisplayedRowCount()) return;
    api.ensureIndexVisible(row);
    api.setFocusedCell(row, before ? before.column : "number");
  }

  function openFocused(event) {
    const opens = event.event && event.event.key === "Enter" && event.data;
    const link = opens && event.event.target.closest(".ag-root").querySelector(
      `[row-index="${event.rowIndex}"] a[data-soft]`);
    if (link) link.click();
  }

  /* ---- what the page wants shown --------------------------------------------------------- */

  function connect(api, wanted, selected) {
    shown = { api, ...wanted };
    chosen = new Set(selected);
    api.addEventListener("rowSelected", onRowSelected);
    api.addEventListener("modelUpdated", markChosen);
    api.addEventListener("cellKeyDown", openFocused);
    if (window.innerWidth <= 700) {
      // So that the error stands beside the trial.
      api.setColumnWidths([{ key: "number", newWidth: 56 }, { key: "state", newWidth: 116 }]);
    }
    api.addEventListener("sortChanged", () => {
      setProps("trials-sort", { data: sortText(sortModel(api)) });
    });
    api.setGridOption("datasource", { getRows });
  }

  function sortModel(api) {
    const sorted = api.getColumnState().filter((column) => column.sort);
    return sorted.sort((a, b) => a.sortIndex - b.sortIndex);
  }

  function showColumns(api, columns) {
    const wanted = columns.split(",");
    for (const visible of [true, false]) {
      const names = api.getColumns().map((column) => column.getColId()).filter(
        (name) => !name.startsWith("ag-Grid") && wanted.includes(name) === visible);
      api.setColumnsVisible(names, visible);
    }
    api.refreshInfiniteCache();
  }

  /* Dash's component asks for rows in its own way once, when the grid is ready: one request at a
     time, which a fast scroll outruns. From then on the grid asks here. */
  function show(...given) {
    update(...given);
    return window.dash_clientside.no_update;
  }

  function update(ready, where, columns, revision, deselect, selected, place) {
    const api = ready && window.dash_ag_grid.getApi(GRID);
    if (!api || api.isDestroyed()) return;
    const before = shown;
    const wanted = {
      study: place.study, where: where || "", columns: (columns || []).join(","), revision,
      deselect: before.deselect,
    };
    if (api !== before.api) return connect(api, wanted, selected || []);
    shown = { api, ...wanted };
    if (wanted.where !== before.where) {
      api.purgeInfiniteCache();
      api.ensureIndexVisible(0, "top");
    } else if (wanted.columns !== before.columns) showColumns(api, wanted.columns);
    else if (wanted.revision !== before.revision) api.refreshInfiniteCache();
    else if (deselect !== before.deselect) dropChosen(deselect);
  }

  function dropChosen(deselect) {
    shown.deselect = deselect;
    chosen.clear();
    markChosen();
    tellChosen();
  }

  /* ---- what follows from it -------------------------------------------------------------- */

  function address(study, page, query) {
    const wanted = Object.entries(query).filter(([, value]) => value);
    const text = wanted.map(([key, value]) => key + "=" + encodeURIComponent(value)).join("&");
    return "/study/" + encodeURIComponent(study) + page + (text ? "?" + text : "");
  }

  /* The box itself, since its component tells its value a moment later than that Enter was hit. */
  function asked(time) {
    return { time, text: document.getElementById("trials-typed").value };
  }

  function compare(selected, place) {
    const n = (selected || []).length;
    const many = n > MOST_COMPARED;
    const href = n && !many ? address(place.study, "/compare", { trials: selected.join(",") }) : "";
    const note = many
      ? "At most " + MOST_COMPARED + " trials fit side by side: take " + (n - MOST_COMPARED) + " away."
      : "";
    return ["Compare selected (" + n + ")", href, String(!href), note, !n];
  }

  function remember(where, sort, columns, selected, group, defaults, place) {
    const list = (columns || []).join(",");
    const query = {
      where,
      sort: sort === defaults.sort ? "" : sort,
      columns: list === defaults.columns.join(",") ? "" : list,
      selected: (selected || []).join(","),
      group: group || "",
    };
    const csv = new URLSearchParams({ study: place.study, where, sort, columns: list });
    return [query, "/api/trials.csv?" + csv];
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    trials: { asked, show, compare, remember, move },
  });

  /* ---- cells ----------------------------------------------------------------------------- */

  function TrialNumber(props) {
    if (!props.data) return null;
    const study = location.pathname.split("/")[2];
    const href = "/study/" + study + "/trials/" + props.data.number;
    return React.createElement("a", { href, "data-soft": "" }, props.data.number);
  }

  function TrialState(props) {
    if (!props.data) return null;
    const kind = props.data.invalid ? "invalid" : props.data.kind;
    return React.createElement("span", { className: "state state-" + kind }, props.data.state);
  }

  window.dashAgGridComponentFunctions = Object.assign(
    window.dashAgGridComponentFunctions || {}, { TrialNumber, TrialState });

  /* ---- links within the dashboard, followed without loading everything again -------------- */

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-soft]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!link.getAttribute("href")) return;
    window.history.pushState({}, "", link.getAttribute("href"));
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  });
})();
