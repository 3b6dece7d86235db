"use strict";
/* Puts an answer of the daemon on the page. Every string goes in as text; nothing is ever read as HTML. */

const RUNGS = ["accepted", "sent", "brokered", "confirmed"];
const USABLE = ["ready", "busy"];
const SHOWN_MODES = ["simulated", "maintenance"];

function make(tag, parent, kind) {
  const node = parent.appendChild(document.createElement(tag));
  if (kind) node.className = kind;
  return node;
}

/* Write only what has changed: a selection stays, and a screen reader is not told the same again. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === "";
}

/* Make as many children as there are items, keep those that are there, and fill each. */
function fill(parent, items, begin, each) {
  while (parent.children.length > items.length) parent.removeChild(parent.lastElementChild);
  items.forEach((item, at) => each(parent.children[at] || begin(parent), item));
}

function clock(stamp) {
  const time = new Date(stamp);
  const two = (n) => String(n).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

class Drawing {
  constructor() {
    this.bodies = new Map(); // by the name of the device: its row stays where the keyboard is
  }

  /* Draw `answer` in `lang`; `now` is the daemon's time in milliseconds. */
  draw(answer, lang, now) {
    this.lang = lang;
    this.now = now;
    this.status = answer.status;
    this.said = answer.said[lang];
    document.querySelectorAll("[data-word]").forEach((node) => write(node, this.say(node.dataset.word)));
    this.head(answer);
    this.headline();
    this.devices();
    this.ladder();
    this.subscribers();
    this.problems();
    this.privacy();
  }

  say(name, fields) {
    return say(this.lang, name, fields || {});
  }

  age(stamp) {
    return (this.now - Date.parse(stamp)) / 1000;
  }

  head(answer) {
    const up = span(this.lang, this.age(this.status.since));
    write(document.getElementById("window"), this.say("window", this.status));
    const asOf = { time: clock(answer.now), version: this.status.version, up: up };
    write(document.getElementById("as-of"), this.say("asOf", asOf));
    write(document.getElementById("lab"), this.status.lab ? this.say("lab") : "");
  }

  headline() {
    const box = document.getElementById("headline");
    const [seen, effect, action, small] = box.children;
    const gravest = this.said.headline;
    box.className = gravest ? gravest.level : "fine";
    if (gravest) {
      const device = gravest.device ? `${gravest.device} · ${this.said.devices[gravest.device].kind} · ` : "";
      write(seen, `${gravest.code} ${device}${gravest.seen}`);
      write(effect, gravest.effect && this.say("effect", { text: gravest.effect }));
      write(action, gravest.action && this.say("action", { text: gravest.action }));
      const by = gravest.who ? [this.say("who", gravest)] : [];
      write(small, [...by, ...this.rest()].join(this.say("and")));
    } else {
      const names = Object.keys(this.status.devices);
      const late = names.filter((name) => !USABLE.includes(this.status.devices[name].state));
      const calm = names.length ? this.say("fine") : this.say("none");
      write(seen, late.length ? this.say("starting", { names: late.join(", ") }) : calm);
      [effect, action, small].forEach((node) => write(node, ""));
    }
    document.title = `${this.status.window} ${seen.textContent}`;
  }

  rest() {
    const devices = Object.values(this.said.devices).filter((one) => one.code).length;
    const count = devices + this.said.problems.length - 1;
    return count > 0 ? [this.say("more", { count: count })] : [];
  }

  devices() {
    const table = document.getElementById("devices");
    const names = Object.keys(this.status.devices);
    this.bodies.forEach((body, name) => {
      if (!names.includes(name)) {
        body.remove();
        this.bodies.delete(name);
      }
    });
    names.forEach((name, at) => {
      if (!this.bodies.has(name)) this.bodies.set(name, this.row(table, name));
      const body = this.bodies.get(name);
      if (table.tBodies[at] !== body) table.insertBefore(body, table.tBodies[at]);
      this.device(body, name, this.status.devices[name], this.said.devices[name]);
    });
  }

  row(table, name) {
    const body = make("tbody", table);
    const line = make("tr", body, "device");
    const button = make("button", make("th", line));
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-controls", `more-${name}`);
    ["kind", "state", "proven"].forEach((kind) => make("td", line, kind));
    ["trouble", "more"].forEach((kind) => {
      const cell = make("td", make("tr", body, kind));
      cell.colSpan = 4;
    });
    const more = body.rows[2];
    more.id = `more-${name}`;
    more.hidden = true;
    button.addEventListener("click", () => {
      more.hidden = !more.hidden;
      button.setAttribute("aria-expanded", String(!more.hidden));
    });
    return body;
  }

  device(body, name, device, said) {
    const [line, trouble, more] = body.rows;
    const mode = SHOWN_MODES.includes(device.mode) ? ` (${this.say(device.mode)})` : "";
    body.className = USABLE.includes(device.state) ? "usable" : "unusable";
    line.dataset.state = device.state;
    line.cells[1].textContent = said.kind + mode;
    line.cells[2].textContent = said.state;
    line.cells[3].textContent = device.last_proven ? ago(this.lang, this.age(device.last_proven)) : this.say("never");
    const told = said.seen ? [[said.code, said.seen].filter(Boolean).join(" ")] : [];
    if (said.action) told.push(this.say("action", { text: said.action }));
    this.lines(trouble.cells[0], told);
    trouble.hidden = told.length === 0;
    this.lines(more.cells[0], this.details(device, said));
  }

  details(device, said) {
    const facts = ["driver", "model", "firmware"].filter((fact) => device[fact]);
    const since = { time: clock(device.since), age: span(this.lang, this.age(device.since)) };
    const told = [this.say("since", since)];
    if (device.last_proven) told.push(this.say("provenAt", { time: clock(device.last_proven) }));
    if (facts.length) told.push(facts.map((fact) => this.say(fact, device)).join(" · "));
    if (said.effect) told.push(this.say("effect", { text: said.effect }));
    if (said.code) told.push(this.say("explain", said));
    return told;
  }

  lines(parent, texts) {
    fill(parent, texts, (above) => make("p", above), write);
  }

  ladder() {
    const ladder = this.status.health.ladder;
    const begin = (list) => {
      const rung = make("li", list);
      ["label", "number", "behind"].forEach((kind) => make("span", rung, kind));
      return rung;
    };
    fill(document.getElementById("ladder"), RUNGS, begin, (rung, name) => {
      const [label, number, behind] = rung.children;
      const there = ladder[name] !== undefined;
      const count = Number(ladder.accepted) - Number(ladder[name]);
      write(label, this.say(name));
      write(number, there ? ladder[name] : "–");
      write(behind, there ? (count > 0 ? this.say("behind", { count: count }) : "") : this.say("nobody"));
    });
    write(document.getElementById("link"), this.delivery().join(" · "));
  }

  delivery() {
    const health = this.status.health;
    const box = health.outbox;
    const link = this.say(health.link.state) + (health.link.code ? ` (${health.link.code})` : "");
    const oldest = typeof box.oldest_s === "number" && box.depth > 0;
    const age = oldest ? span(this.lang, box.oldest_s) : "";
    const told = [link, this.say(oldest ? "keptSince" : "kept", { count: box.depth, age: age })];
    if (box.quarantined) told.push(this.say("refused", { count: box.quarantined }));
    if (box.expired) told.push(this.say("expired", { count: box.expired }));
    const free = health.disk.free_mb;
    told.push(this.say("disk", { free: free < 10000 ? `${free} MB` : `${Math.floor(free / 1000)} GB` }));
    return told;
  }

  subscribers() {
    const table = document.getElementById("subscribers");
    const known = this.status.health.subscribers || {};
    const head = Number(this.status.health.head_seq);
    const begin = (body) => {
      const row = make("tr", body);
      ["th", "td", "td", "td"].forEach((tag) => make(tag, row));
      return row;
    };
    table.hidden = Object.keys(known).length === 0;
    fill(table.tBodies[0], Object.keys(known), begin, (row, name) => {
      const one = known[name];
      const heard = one.acked ? ago(this.lang, this.age(one.acked)) : this.say("unheard");
      const waiting = String(Math.max(0, head - Number(one.upto_seq)));
      [name, one.upto_seq, waiting, heard].forEach((text, at) => write(row.cells[at], text));
    });
  }

  problems() {
    const top = this.said.headline;
    const rest = this.said.problems.filter((one) => !top || top.device || one.code !== top.code || one.seen !== top.seen);
    document.getElementById("problems").hidden = rest.length === 0;
    const begin = (list) => {
      const item = make("li", list);
      ["seen", "action"].forEach((kind) => make("p", item, kind));
      return item;
    };
    fill(document.querySelector("#problems ul"), rest, begin, (item, one) => {
      item.className = one.level;
      write(item.children[0], `${one.code} ${one.seen}`);
      write(item.children[1], one.action && this.say("action", { text: one.action }));
    });
  }

  privacy() {
    const known = this.status.privacy;
    const node = document.getElementById("privacy");
    if (!known) {
      write(node, this.say("unknown"));
      return;
    }
    const figures = { reads: known.full_reads_today, kept: known.sensitive_kept };
    const age = known.sensitive_oldest_s;
    const oldest = typeof age === "number" ? this.say("oldest", { age: span(this.lang, age) }) : "";
    write(node, this.say("privacy", figures) + oldest);
  }
}
