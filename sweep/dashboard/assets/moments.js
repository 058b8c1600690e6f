/* "12 s ago" gets out of date while nothing new arrives, so it is updated each second, as
   parts/moments.py says it: from the age that the server sent and the seconds since, because the
   clock of this computer may differ. A moment that is too long ago is marked. */
"use strict";

(function () {
  const UNITS = [["s", 1, 60], ["min", 60, 3600], ["h", 3600, 86400], ["d", 86400, Infinity]];

  function ago(seconds) {
    if (seconds < 1) return "now";
    const [unit, length] = UNITS.find(([, , longest]) => seconds < longest);
    return Math.floor(seconds / length) + " " + unit + " ago";
  }

  /* For each element: what the server sent, and when that arrived. */
  const given = new WeakMap();

  function age(time) {
    let known = given.get(time);
    const said = time.dateTime + " " + time.dataset.ago;
    if (!known || known.said !== said) {
      known = { said, at: performance.now() };
      given.set(time, known);
    }
    return Number(time.dataset.ago) + (performance.now() - known.at) / 1000;
  }

  function tick() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = age(time);
      if (document.hidden) continue;
      const said = ago(seconds);
      if (time.textContent !== said) time.textContent = said;
      if (time.dataset.lateAfter) {
        time.classList.toggle("late", seconds > Number(time.dataset.lateAfter));
      }
    }
  }

  setInterval(tick, 1000);
})();
