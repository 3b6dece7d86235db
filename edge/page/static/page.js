"use strict";
/* Asks the daemon every two seconds, and greys the page out when the last answer is older than ten. */
(() => {
  const EVERY_MS = 2000, PATIENCE_MS = 5000, OLD_MS = 10000, TICK_MS = 1000;
  const REMEMBERED = "hall-edge-language";
  const drawing = new Drawing();
  const buttons = [...document.querySelectorAll("[data-lang]")];
  const begun = performance.now();
  let lang = chosen();
  let answer = null;
  let heardAt = 0;
  let asking = false;

  function chosen() {
    let kept = null;
    try {
      kept = localStorage.getItem(REMEMBERED);
    } catch (error) {
      console.debug("nothing is remembered here:", error.name); // a browser that forbids it: ask for no more
    }
    const wanted = location.hash.slice(1) || kept || (navigator.language.startsWith("en") ? "en" : "zh");
    return wanted in WORDS ? wanted : "zh";
  }

  function choose(other) {
    lang = other;
    try {
      localStorage.setItem(REMEMBERED, lang);
    } catch (error) {
      console.debug("nothing is remembered here:", error.name);
    }
    show();
  }

  function show() {
    document.documentElement.lang = WORDS[lang].html;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.lang === lang)));
    const silence = performance.now() - (answer ? heardAt : begun);
    const old = answer === null || silence > OLD_MS;
    document.body.className = old ? "old" : "";
    const waits = answer === null && silence <= OLD_MS;
    const told = waits ? say(lang, "waiting", {}) : say(lang, "old", { age: span(lang, silence / 1000) });
    write(document.getElementById("old"), old ? told : "");
    if (answer) drawing.draw(answer, lang, Date.parse(answer.now) + silence);
  }

  function hear(request) {
    const heard = JSON.parse(request.responseText);
    if (answer && heard.status.version !== answer.status.version) {
      location.reload(); // the daemon was updated: so are these files
      return;
    }
    answer = heard;
    heardAt = performance.now();
  }

  function ask() {
    if (asking) return;
    asking = true;
    const request = new XMLHttpRequest();
    request.open("GET", "/status.json");
    request.timeout = PATIENCE_MS;
    request.onloadend = () => {
      asking = false;
      setTimeout(ask, EVERY_MS);
      if (request.status === 200) hear(request);
      show();
    };
    request.send();
  }

  buttons.forEach((button) => button.addEventListener("click", () => choose(button.dataset.lang)));
  window.addEventListener("hashchange", () => choose(chosen()));
  document.addEventListener("visibilitychange", show);
  setInterval(show, TICK_MS);
  show();
  ask();
})();
