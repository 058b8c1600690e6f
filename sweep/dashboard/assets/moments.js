/* "12 s ago" gets out of date while nothing new arrives, so it is updated each second, as
   parts/moments.py says it. A moment that is too long ago is marked. */
"use strict";

(function () {
  const UNITS = [["s", 1, 60], ["min", 60, 3600], ["h", 3600, 86400], ["d", 86400, Infinity]];

  function ago(seconds) {
    if (seconds < 1) return "now";
    const [unit, length] = UNITS.find(([, , longest]) => seconds < longest);
    return Math.floor(seconds / length) + " " + unit + " ago";
  }

  function tick() {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
      const said = ago(seconds);
      if (time.textContent !== said) time.textContent = said;
      if (time.dataset.lateAfter) {
        time.classList.toggle("late", seconds > Number(time.dataset.lateAfter));
      }
    }
  }

  setInterval(tick, 1000);
})();
