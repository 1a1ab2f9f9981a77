// The page is complete as it comes; this replaces panels that changed.
"use strict";

const panels = new Map();
for (const el of document.querySelectorAll("[data-panel]")) panels.set(el.dataset.panel, el);

const link = document.getElementById("link");
const pause = document.getElementById("pause");
const announce = document.getElementById("announce");
let paused = false;
let held = null; // the lanes while they stand still

// Lines that were not there before are marked, so that the eye finds them;
// where nearly all are new, none is: nothing shall flicker.
function replace(el, html) {
  const before = new Set();
  for (const li of el.querySelectorAll("[data-key]")) before.add(li.dataset.key);
  const open = el.querySelector("details[open]") !== null;
  el.innerHTML = html;
  for (const lane of el.querySelectorAll(".lane")) {
    const fresh = [...lane.querySelectorAll("[data-key]")].filter((li) => !before.has(li.dataset.key));
    if (before.size > 0 && fresh.length <= 3) for (const li of fresh) li.classList.add("new");
  }
  if (open) el.querySelector("details")?.setAttribute("open", "");
}

function show(name, html) {
  const el = panels.get(name);
  if (!el) return;
  if (name === "live" && paused) held = html;
  else replace(el, html);
}

function state(text, tone) {
  link.hidden = false;
  link.textContent = text;
  link.className = "pill " + tone;
}

function connect() {
  const source = new EventSource("/live");
  source.onopen = () => state("live", "good");
  source.addEventListener("panels", (e) => {
    const changed = JSON.parse(e.data);
    for (const name of Object.keys(changed)) show(name, changed[name]);
  });
  source.onerror = () => {
    state("reconnecting", "wait");
    if (source.readyState === EventSource.CLOSED) setTimeout(again, 10000);
  };
  addEventListener("pagehide", () => source.close(), { once: true });
}

// A stream that was refused (a session that ended, enough readers): the page
// itself says more.
function again() {
  fetch("/", { method: "HEAD" }).then((r) => (r.ok ? location.reload() : setTimeout(again, 10000)), () => setTimeout(again, 10000));
}

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  if (!paused && held !== null) {
    replace(panels.get("live"), held);
    held = null;
  }
});

// Those who listen hear the sums now and then, not every change.
setInterval(() => {
  const said = document.querySelector("[data-sentence]")?.dataset.sentence ?? "";
  if (announce.textContent !== said) announce.textContent = said;
}, 20000);

addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
connect();
