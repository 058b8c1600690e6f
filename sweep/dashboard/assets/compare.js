/* The page that compares trials. */
"use strict";

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  compare: { remember: (query) => query },
});
