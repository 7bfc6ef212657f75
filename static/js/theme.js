"use strict";
// Before the first paint: the theme the person chose, if any (else the system's).
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("clawweb-theme"); } catch { /* storage may be closed */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
