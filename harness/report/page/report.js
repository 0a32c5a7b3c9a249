"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = new Map(data.cases.map((item) => [item.id, item]));
  const list = document.getElementById("cases");
  const detail = document.getElementById("detail");
  const filters = [...document.querySelectorAll("#filters select")];
  const SHOWN = 400;
  const CHARTS = [
    ["steer", "steering", null, null], ["pedal", "throttle − brake", -1, 1],
    ["speed_kmh", "speed, km/h", 0, null], ["deviation_m", "off the route's line, m", 0, null],
  ];
  const hasCells = new Set(data.cases.map((item) => item.cell)).size > 1;
  let chosen = null;
  let clipUrl = null; // the address of the clip that is shown

  const make = (name, given = {}, ...inside) => {
    const item = document.createElement(name);
    for (const [key, value] of Object.entries(given)) item.setAttribute(key, value);
    item.append(...inside);
    return item;
  };
  const draw = (name, given = {}, text = "") => {
    const item = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(given)) item.setAttribute(key, value);
    if (text) item.textContent = text;
    return item;
  };
  const sides = (item) => item.sides.map((id) => data.drives[id]);
  const isGood = (drive) => drive.outcome === "success";
  const outcome = (drive) => make("span", { class: isGood(drive) ? "good" : "bad" }, drive.outcome);
  const metres = (value) => `${Math.round(value)} m`;

  // Filters: what a case has of each.
  const values = {
    cell: (item) => [item.where],
    pair: (item) => [item.pair],
    differs: (item) => item.differs,
    outcome: (item) => sides(item).map((drive) => drive.outcome),
    hazard: (item) => item.hazards,
  };
  const matching = () => data.cases.filter((item) => filters.every(
    (box) => !box.value || values[box.dataset.filter](item).includes(box.value)));

  for (const box of filters) {
    const known = new Set(data.cases.flatMap(values[box.dataset.filter]));
    box.append(make("option", { value: "" }, "all"));
    for (const value of known) box.append(make("option", { value }, value));
    box.disabled = known.size === 0;
    box.addEventListener("change", fill);
  }
  document.getElementById("reset").addEventListener("click", () => {
    for (const box of filters) box.value = "";
    fill();
  });

  function fill() {
    const found = matching();
    list.replaceChildren(...found.slice(0, SHOWN).map((item) => {
      const [first, second] = sides(item);
      const link = make("a", { href: `#case/${item.id}`, "data-id": item.id },
        `route ${first.route}, seed ${first.seed}: ${first.arm} `, outcome(first), `, ${second.arm} `, outcome(second));
        if (hasCells) link.append(make("small", {}, item.where));
      if (item.id === chosen) link.setAttribute("aria-current", "true");
      return make("li", {}, link);
    }));
    if (found.length > SHOWN) list.append(make("li", { class: "more" }, `${found.length - SHOWN} more: narrow the filters.`));
    document.getElementById("count").textContent = `${found.length} of ${data.cases.length} failures`;
  }

  function show(id) {
    const item = byId.get(id);
    if (!item) return;
    chosen = id;
    const find = () => list.querySelector(`[data-id="${CSS.escape(id)}"]`);
    // A link may lead to one that the filters hide, or that stands too far down the list.
    for (const narrowed of [[], ["cell", "pair"]]) {
      if (find()) break;
      for (const box of filters) box.value = narrowed.includes(box.dataset.filter) ? values[box.dataset.filter](item)[0] : "";
      fill();
    }
    for (const other of list.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    const link = find();
    if (link) {
      link.setAttribute("aria-current", "true");
      const top = link.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top + link.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - 60;
    }
    charts.redraw = null;
    const [first, second] = sides(item);
    detail.replaceChildren(make("h3", {}, `Route ${first.route}, seed ${first.seed}: ${item.where}`), table(first, second));
    const traces = [first, second].filter((drive) => drive.trace);
    if (data.clips[id]) clips(item, first, second);
    if (traces.length) charts(item, first, second);
    else detail.append(along(first, second));
    if (traces.length < 2 || !data.clips[id]) detail.append(lacking(first, second, traces.length < 2));
  }

  function table(first, second) {
    const lines = [
      ["outcome", outcome],
      ["ended at", (d) => `${metres(d.ended)} of ${metres(d.length)}`],
      ["driven", (d) => (d.duration_s === null ? "n/a" : `${d.duration_s.toFixed(1)} s`)],
      ["driving score", (d) => (d.driving_score === null ? "n/a" : d.driving_score.toFixed(0))],
      ["collisions", (d) => ["vehicle", "pedestrian", "static"].filter((kind) => d[`collisions_${kind}`])
        .map((kind) => `${d[`collisions_${kind}`]} ${kind}`).join(", ") || `${d.collisions ?? "n/a"}`],
      ["lane infractions", (d) => `${d.lane_infractions ?? "n/a"}`],
      ["red lights", (d) => `${d.red_lights ?? "n/a"}`],
    ];
    const body = lines.map(([name, of]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, of(first)), make("td", {}, of(second))));
    hazardLines(first, second, body);
    for (const drive of [first, second]) if (drive.error) body.push(make("tr", {}, make("th", { scope: "row" }, `error, ${drive.arm}`), make("td", { colspan: 2 }, drive.error)));
    const head = make("tr", {}, make("th", {}, ""), ...[first, second].map((drive, at) => make("th", { scope: "col" }, dash(drive, at), drive.arm)));
    return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  }

  const dash = (drive, at) => make("i", { class: `dash ${at ? "second" : ""}`, style: `color: var(--${drive.family === "rule" ? "rule-arm" : drive.family})` });

  function hazardLines(first, second, body) {
    const numbers = new Set([...first.hazards, ...second.hazards].map((h) => h.number));
    for (const number of numbers) {
      const both = [first, second].map((drive) => drive.hazards.find((h) => h.number === number));
      const known = both.find(Boolean);
      body.push(make("tr", {}, make("th", { scope: "row" }, `${known.kind} at ${metres(known.route_m)}`), ...both.map((h) => make("td", {}, came(h)))));
    }
  }

  function came(h) {
    if (!h || !h.is_met) return "not met";
    if (h.was_hit) return make("span", { class: "bad" }, h.impact_mps === null ? "hit" : `hit at ${(3.6 * h.impact_mps).toFixed(0)} km/h`);
    return h.min_ttc_s === null ? "avoided" : `avoided, ${h.min_ttc_s.toFixed(1)} s`;
  }

  // Both routes as lines, where there is no trace to draw.
  function along(first, second) {
    const width = Math.max(240, detail.clientWidth - 36), height = 74, left = 4;
    const at = (m) => left + (width - 2 * left) * Math.min(1, m / first.length);
    const svg = draw("svg", { class: "chart", width, height, role: "img", "aria-label": "how far each drive came along the route" });
    [first, second].forEach((drive, index) => {
      const y = 16 + 24 * index;
      svg.append(draw("line", { class: "road", x1: at(0), x2: at(first.length), y1: y, y2: y }));
      svg.append(draw("line", { class: `fam-${drive.family}`, "stroke-width": 4, x1: at(0), x2: at(drive.ended), y1: y, y2: y }));
      svg.append(draw("circle", { class: `mark fam-${drive.family}`, r: 5, cx: at(drive.ended), cy: y }));
      for (const h of drive.hazards) {
        const mark = draw("path", { class: "hazard", transform: `translate(${at(h.route_m)} ${y})`, d: "M0-7L7 0 0 7-7 0z" });
        mark.append(draw("title", {}, `${h.kind} at ${metres(h.route_m)}`));
        svg.append(mark);
      }
    });
    svg.append(draw("text", { x: left, y: height - 6 }, "0 m"), draw("text", { x: width - left, y: height - 6, "text-anchor": "end" }, metres(first.length)));
    return svg;
  }

  function charts(item, first, second) {
    const diverged = item.divergence ?? { actions: null, paths: null, end: Math.min(first.ended, second.ended) };
    const longest = Math.max(first.ended, second.ended);
    const from = diverged.actions ?? diverged.paths ?? diverged.end;
    const views = [["first divergence", [from - 10, Math.max(from, diverged.paths ?? 0) + 30]]];
    views.push(["where one ends", [diverged.end - 40, diverged.end + 15]], ["whole route", [0, longest]]);
    const box = make("div", {}), bar = make("div", { class: "views", role: "group", "aria-label": "part of the route" });
    const said = make("p", { class: "note" }, words(item, diverged)), read = make("p", { id: "read" });
    const select = (index) => {
      [...bar.children].forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
      const [low, high] = views[index][1];
      paint(box, read, [first, second], diverged, Math.max(0, low), Math.min(longest, high));
    };
    views.forEach(([name], index) => {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => select(index));
      bar.append(button);
    });
    detail.append(said, bar, read, box);
    select(0);
    charts.redraw = () => select([...bar.children].findIndex((button) => button.getAttribute("aria-pressed") === "true"));
  }

  function words(item, diverged) {
    if (!item.divergence) return "One of the drives kept no trace.";
    const acts = diverged.actions === null ? "Steering and pedals never diverge." : `${diverged.by === "pedal" ? "The pedals first diverge" : "Steering first diverges"} at ${metres(diverged.actions)}.`;
    const paths = diverged.paths === null ? "The cars stay within 0.5 m of one line." : `The cars are more than 0.5 m apart from ${metres(diverged.paths)} on.`;
    return `${acts} ${paths}`;
  }

  function paint(box, read, pair, diverged, low, high) {
    const width = Math.max(240, detail.clientWidth - 36), left = 34, height = 92, inner = 68;
    const x = (m) => left + (width - left - 6) * (m - low) / (high - low);
    const svgs = [];
    for (const [name, title, least, most] of CHARTS) {
      const lines = pair.map((drive) => points(drive.trace, name, low, high));
      const all = lines.flat().map(([, value]) => value);
      if (!all.length) continue;
      const reach = Math.max(0.2, ...all.map(Math.abs)); // of steering, alike to both sides
      const bottom = least ?? -reach, top = most ?? (least === null ? reach : 1.05 * Math.max(1, ...all));
      const y = (value) => 20 + inner * (top - value) / (top - bottom);
      const svg = draw("svg", { class: "chart", width, height, role: "img", "aria-label": `${title} along the route` });
      svg.append(draw("text", { class: "name", x: left, y: 13 }, title), draw("rect", { class: "frame", x: left, y: 20, width: width - left - 6, height: inner }));
      for (const value of [bottom, top]) svg.append(draw("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, String(Number(value.toFixed(Math.abs(value) < 1 ? 2 : 1))).replace("-", "−")));
      if (bottom < 0) svg.append(draw("line", { class: "rule", x1: left, x2: width - 6, y1: y(0), y2: y(0) }));
      for (const [word, m] of [["actions", diverged.actions], ["apart", diverged.paths], ["end", diverged.end]]) {
        if (m === null || m < low || m > high) continue;
        svg.append(draw("line", { class: "diverged", x1: x(m), x2: x(m), y1: 20, y2: 20 + inner }));
        if (!svgs.length) svg.append(draw("text", { x: x(m) + (x(m) > width - 60 ? -4 : 4), y: 16 + inner, "text-anchor": x(m) > width - 60 ? "end" : "start" }, word));
      }
      lines.forEach((line, at) => svg.append(draw("polyline", { class: `fam-${pair[at].family} ${at ? "second" : ""}`, points: line.map(([m, value]) => `${x(m).toFixed(1)},${y(value).toFixed(1)}`).join(" ") })));
      svg.append(draw("line", { class: "cursor", visibility: "hidden", y1: 20, y2: 20 + inner }));
      svgs.push(svg);
    }
    if (svgs.length) {
      const last = svgs[svgs.length - 1];
      last.setAttribute("height", height + 12);
      for (const m of [low, (low + high) / 2, high]) last.append(draw("text", { x: x(m), y: height + 10, "text-anchor": m === high ? "end" : m === low ? "start" : "middle" }, metres(m)));
    }
    box.replaceChildren(...svgs);
    read.textContent = "Move over the charts to read both drives.";
    box.onpointermove = (event) => {
      const at = Math.min(high, Math.max(low, low + (event.clientX - box.getBoundingClientRect().left - left) / (width - left - 6) * (high - low)));
      for (const line of box.querySelectorAll(".cursor")) { line.setAttribute("x1", x(at)); line.setAttribute("x2", x(at)); line.setAttribute("visibility", "visible"); }
      read.textContent = `${metres(at)}: ${pair.map((drive) => `${drive.arm} ${said(drive.trace, at)}`).join("; ")}`;
    };
  }

  const value = (trace, name, index) => trace[name][index] / data.scale[name];

  function points(trace, name, low, high) {
    if (!trace || !trace[name]) return [];
    const found = [];
    for (let index = 0; index < trace[name].length; index += 1) {
      const m = trace.start + index * trace.step;
      if (m >= low - trace.step && m <= high + trace.step) found.push([Math.min(high, Math.max(low, m)), value(trace, name, index)]);
    }
    return found;
  }

  function said(trace, at) {
    const index = trace ? Math.round((at - trace.start) / trace.step) : -1;
    if (!trace || index < 0 || index >= trace.steer.length) return "is not here";
    const parts = [`steers ${value(trace, "steer", index).toFixed(2)}`, `pedal ${value(trace, "pedal", index).toFixed(2)}`];
    if (trace.speed_kmh) parts.push(`${value(trace, "speed_kmh", index).toFixed(0)} km/h`);
    if (trace.time_s) parts.push(`after ${value(trace, "time_s", index).toFixed(1)} s`);
    return parts.join(", ");
  }

  function clips(item, first, second) {
    const known = Object.keys(data.clips[item.id]), names = { paths: "where the paths diverge", actions: "where the actions diverge", end: "where one ends" };
    const video = make("video", { controls: "", loop: "", muted: "", playsinline: "", "aria-label": "both drives side by side" });
    video.muted = true;
    const bar = make("div", { class: "views", role: "group", "aria-label": "moment of the clip" });
    const play = (name) => {
      [...bar.children].forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.moment === name)));
      if (clipUrl) URL.revokeObjectURL(clipUrl);
      const bytes = Uint8Array.from(atob(data.clips[item.id][name]), (letter) => letter.charCodeAt(0));
      clipUrl = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
      video.src = clipUrl;
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
    };
    for (const name of known) {
      const button = make("button", { type: "button", "data-moment": name }, `clip ${names[name]}`);
      button.addEventListener("click", () => play(name));
      bar.append(button);
    }
    const heads = make("div", { class: "heads" }, ...[first, second].map((drive) => make("span", {}, `${drive.arm}: `, outcome(drive))));
    detail.append(bar, make("div", { class: "clip" }, heads, video, make("p", { class: "note" }, "Above what the policy sees, below the map. Both reach the moment together, after four seconds.")));
    play(known[0]);
  }

  function lacking(first, second, isTrace) {
    const box = make("div", { class: "make" }, isTrace ? "Traces and a clip of these drives are made by " : "This report holds no clip of these drives; clips are made by ");
    [first, second].forEach((drive, at) => box.append(at ? " and " : "", make("code", {}, drive.again)));
    box.append(".");
    return box;
  }

  function step(by) {
    const links = [...list.querySelectorAll("a")];
    if (!links.length) return;
    const at = links.findIndex((link) => link.dataset.id === chosen);
    const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))];
    history.replaceState(null, "", next.getAttribute("href"));
    show(next.dataset.id);
    list.querySelector(`[data-id="${CSS.escape(chosen)}"]`).focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "INPUT", "VIDEO"].includes(event.target.tagName)) return;
    const inList = list.contains(event.target);
    if (event.key === "j" || (inList && event.key === "ArrowDown")) { event.preventDefault(); step(1); }
    if (event.key === "k" || (inList && event.key === "ArrowUp")) { event.preventDefault(); step(-1); }
  });

  const place = document.getElementById("place-cell");
  place.addEventListener("change", () => {
    for (const mark of document.querySelectorAll("[data-cell]")) mark.style.display = place.value && mark.dataset.cell !== place.value ? "none" : "";
  });

  function follow() {
    const found = /^#case\/(.+)$/.exec(location.hash);
    if (!found || !byId.has(found[1])) return;
    show(found[1]);
    document.getElementById("failures").scrollIntoView();
  }
  window.addEventListener("hashchange", () => {
    const found = /^#case\/(.+)$/.exec(location.hash);
    if (found && found[1] !== chosen) { show(found[1]); if (!list.contains(document.activeElement)) document.getElementById("failures").scrollIntoView(); }
  });
  let wide = window.innerWidth;
  window.addEventListener("resize", () => {
    if (wide !== window.innerWidth && charts.redraw) charts.redraw();
    wide = window.innerWidth;
  });

  fill();
  if (data.cases.length && !location.hash.startsWith("#case/")) show(data.cases[0].id);
  follow();
})();
