/* The page of all studies: which are ticked, and where they are compared. */
"use strict";

(function () {
  const MOST_COMPARED = 8;

  /* Studies that a search hides stay chosen. */
  function choose(checked, ids, before) {
    const seen = ids.map((id) => id.study);
    const ticked = seen.filter((_, place) => checked[place]);
    const chosen = [...(before || []).filter((name) => !seen.includes(name)), ...ticked];
    const n = chosen.length;
    const note = n > MOST_COMPARED
      ? "At most " + MOST_COMPARED + " studies fit side by side: take " + (n - MOST_COMPARED) + " away."
      : "";
    const names = chosen.map(encodeURIComponent).join(",");
    const href = n > 1 && !note ? "/compare?studies=" + encodeURIComponent(names) : "";
    // A choice that stays, as when the page opens, need not be sent to the server for the address.
    const same = JSON.stringify(chosen) === JSON.stringify(before);
    return [same ? window.dash_clientside.no_update : chosen, "Compare selected (" + n + ")", href, String(!href), note];
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, { studies: { choose } });
})();
