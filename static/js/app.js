"use strict";
// What htmx does not do by attributes: the theme, the keyboard, the row that is open, the connection's banner,
// and the address: a link changes its own fields of the view and leaves the others as they are.
(() => {
  const $ = (selector) => document.querySelector(selector);
  const FIELDS = {
    all: ["side"],
    table: ["sort", "desc", "type", "pin", "dirty", "faulted", "gone", "text", "limit"],
    drawer: ["page", "rep"],
    ledger: ["kind", "old"],
    talk: ["talk", "turns"],
  };
  const HEAVY = matchMedia("(prefers-reduced-motion: reduce)");
  let connection = null;

  // Theme
  const THEMES = ["system", "light", "dark"];
  const theme = () => document.documentElement.dataset.theme || "system";
  function showTheme() {
    const name = $("[data-theme-name]");
    if (name) name.textContent = theme();
  }
  function nextTheme() {
    const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try { localStorage.setItem("clawweb-theme", next); } catch { /* kept for this page only */ }
    showTheme();
  }

  // The view: what the address says, what the socket is told
  const view = () => $("#view");
  function go(part, params) {
    const box = view();
    if (!box) return;
    const now = new URLSearchParams(box.dataset.query);
    for (const field of FIELDS[part]) {
      now.delete(field);
      for (const value of params.getAll(field)) if (value !== "") now.append(field, value);
    }
    now.append("parts", part);
    const done = htmx.ajax("GET", `${box.dataset.base}?${now}`, { source: box, target: box, swap: "none" });
    if (part === "drawer" && params.get("page") && innerWidth <= 1050) {
      done.then(() => $("#drawer")?.scrollIntoView({ block: "start" }));
    }
  }
  function turned() {
    const box = view();
    if (!box || !connection) return;
    const query = `${box.dataset.query}&seq=${box.dataset.seq}`;
    connection.url = connection.url.replace(/\?.*$/, "") + `?${box.dataset.query}`;
    if (connection.socket?.readyState === WebSocket.OPEN) {
      connection.socket.send(JSON.stringify({ query, parts: box.dataset.parts }));
    }
  }
  function markOpen() {
    const open = view()?.dataset.page;
    for (const el of document.querySelectorAll("tr.row.on, #map a.on")) {
      if ((el.dataset.go || el.id) !== open) el.classList.remove("on");
    }
    if (!open) return;
    document.getElementById(open)?.classList.add("on");
    for (const cell of document.querySelectorAll(`#map a[data-go="${open}"]`)) cell.classList.add("on");
  }
  function showTurn() {
    const turn = $("#stand")?.dataset.turn;
    if (turn === undefined) return;
    document.documentElement.style.setProperty("--turn", String(Number(turn) - 23));
    document.documentElement.classList.add("has-turn");
  }

  // Clicks: rows and cells open a page; links with parts change their part
  document.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]");
    if (act) return void ACTS[act.dataset.act]?.();
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    const link = event.target.closest("a[data-go], a[data-parts]") || event.target.closest("tr.row")?.querySelector("a");
    if (!link || !(link.dataset.parts || "go" in link.dataset)) {
      if (link && event.target.closest("tr.row") && !event.target.closest("a")) link.click();
      return;
    }
    event.preventDefault();
    const href = link.getAttribute("href");
    go(link.dataset.parts || "drawer", new URLSearchParams(href.slice(href.indexOf("?") + 1)));
  });

  // The table's filters act as they are changed
  let typing = 0;
  function filter(form) {
    const fields = new URLSearchParams(new FormData(form));
    go("table", fields);
  }
  document.addEventListener("submit", (event) => {
    if (event.target.id === "filters") { event.preventDefault(); filter(event.target); }
  });
  for (const kind of ["change", "input"]) {
    document.addEventListener(kind, (event) => {
      const form = event.target.form;
      if (form?.id === "filters" && (kind === "change") !== (event.target.type === "search")) {
        clearTimeout(typing);
        typing = setTimeout(() => filter(form), kind === "input" ? 250 : 0);
      } else if (form && "auto" in form.dataset && kind === "change") form.requestSubmit();
    });
  }

  // The connection
  function say(words) {
    const box = $("#connection");
    if (box) { box.hidden = !words; box.textContent = words; }
  }
  // The step that the server did not answer: done again when it is back
  let missed = null;
  document.addEventListener("htmx:ws:after:connection", (event) => {
    connection = event.detail.connection;
    say("");
    document.body.dataset.connected = "1";
    const again = missed;
    missed = null;
    again?.();
  });
  document.addEventListener("htmx:ws:close", (event) => {
    delete document.body.dataset.connected;
    const { code, reason } = event.detail;
    if (reason === "removed" || document.visibilityState === "hidden" && code === 1000) return;
    if (code === 4401) say("You are signed out: open a new sign-in link.");
    else if (code === 4404) say("This session cannot be seen any more.");
    else if (code !== 1000) say("Connection lost, retrying. What you see may be old.");
  });
  // A server that does not answer is no error of the page's: it says so, and a step of the view is done again later
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    const ask = ctx.fetch;
    ctx.fetch = async (...what) => {
      try {
        const answer = await ask(...what);
        const text = await answer.text();
        answer.text = async () => text;
        return answer;
      } catch (error) {
        if (error.name === "AbortError") throw error;
        if (ctx.sourceElement === view()) missed = () => htmx.ajax("GET", ctx.request.action, { source: view(), target: view(), swap: "none" });
        say(ctx.sourceElement === view() ? "No answer yet, retrying. What you see may be old." : "No answer: this was not done. Try again when the connection is back.");
        return new Response(null, { status: 204 });
      }
    };
  });
  document.addEventListener("htmx:after:swap", () => { markOpen(); showTurn(); ago(); });
  let toldFor = view()?.dataset.query;
  document.addEventListener("htmx:finally:request", () => {
    const box = view();
    if (box && (box.dataset.query !== toldFor || box.dataset.parts)) { toldFor = box.dataset.query; turned(); }
  });

  // Times: exact in the title, relative in the text
  function ago() {
    for (const el of document.querySelectorAll("time[data-ago]")) {
      const seconds = Math.max(0, (Date.now() - Date.parse(el.dateTime)) / 1000);
      const [n, unit] = seconds < 60 ? [seconds, "s"] : seconds < 3600 ? [seconds / 60, "min"]
        : seconds < 86400 ? [seconds / 3600, "h"] : [seconds / 86400, "d"];
      if (Number.isFinite(n)) {
        const words = seconds < 5 ? "now" : `${Math.floor(n)} ${unit} ago`;
        if (el.textContent !== words) el.textContent = words;
      }
    }
  }

  // Keys
  const rows = () => [...document.querySelectorAll("tr.row a")];
  function step(by) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((a) => a.closest("tr").contains(document.activeElement) || a.closest("tr").classList.contains("on"));
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest", behavior: HEAVY.matches ? "auto" : "smooth" });
  }
  const ACTS = {
    theme: nextTheme,
    keys: () => $("#keys")?.showModal(),
    search: () => $("[data-search]")?.focus(),
    cancel: () => $("#page-ask")?.replaceChildren(),
  };
  // An act that the page does not offer says why, where there is something to say
  function press(key) {
    const button = $(`#act-buttons [data-key="${key}"]`);
    const why = $("#act-buttons")?.getAttribute(`data-no-${key}`);
    if (button) button.click();
    else if (why) {
      const said = document.createElement("p");
      said.className = "soft small";
      said.textContent = why;
      $("#page-ask")?.replaceChildren(said);
    }
  }
  const KEYS = {
    "/": ACTS.search,
    "?": ACTS.keys,
    j: () => step(1),
    k: () => step(-1),
    Enter: () => $("tr.row:focus-within a")?.click(),
    p: () => press("p"),
    u: () => press("u"),
    d: () => press("d"),
    r: () => press("r"),
    L: () => { scrollTo({ top: 0 }); $("#ledger .scroll")?.scrollTo({ top: 0 }); $("#entries > li:last-child")?.scrollIntoView({ block: "nearest" }); },
    Escape: () => ($("#ask") ? ACTS.cancel() : $("[data-close]")?.click()),
    "g s": () => $("a.brand")?.click(),
  };
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    const act = KEYS[before === "g" ? `g ${event.key}` : event.key];
    before = event.key === "g" && before !== "g" ? "g" : "";
    if (act) { event.preventDefault(); act(); }
  });

  // The conversation is read when it comes into sight
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.disconnect(); entry.target.click(); }
  }, { rootMargin: "100px" });

  addEventListener("DOMContentLoaded", () => {
    showTheme(); markOpen(); showTurn(); ago();
    setInterval(ago, 10_000);
    const talk = $("[data-reveal]");
    if (talk) seen.observe(talk);
  });
})();
