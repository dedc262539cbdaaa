// Looks around in the scatter: the photo and the name of a mark, and labels on and off. Names are
// untrusted: they only become text or cloned nodes, never markup.
"use strict";
(() => {
  const plot = document.getElementById("plot");
  if (!plot) return;
  const figure = document.getElementById("map"), ring = document.getElementById("ring");
  const card = document.getElementById("card"), photo = document.getElementById("photo");
  const legend = document.getElementById("legend"), said = document.getElementById("said");
  const MOUSE = 20, FINGER = 32; // px from a mark that still hit it
  const GAP = 14, EDGE = 8; // px between card and mark, card and window

  // Labels

  const buttons = [...legend.querySelectorAll(".label")];
  const groupOf = (button) => document.getElementById(button.dataset.group);
  const isOn = (button) => button.getAttribute("aria-pressed") === "true";
  const showLabels = (chosen) => {
    for (const button of buttons) {
      const on = chosen(button);
      button.setAttribute("aria-pressed", on);
      groupOf(button).classList.toggle("off", !on);
    }
    const on = buttons.filter(isOn).length, all = buttons.length;
    document.getElementById("on").textContent = on === all ? "" : `${on} of ${all} on`;
    hide();
  };

  // Points

  const photos = new Map(Object.entries(JSON.parse(document.getElementById("thumbnails").textContent)));
  const points = buttons.flatMap((button) => {
    const group = groupOf(button), ending = ` — ${button.dataset.label}`;
    return [...group.querySelectorAll("use")].map((mark) => {
      const title = mark.querySelector("title"), text = title.textContent;
      title.remove(); // or else browsers would show it, too
      return {
        button, text,
        path: text.slice(0, -ending.length),
        key: mark.dataset.photo,
        x: parseFloat(mark.getAttribute("x")) / 100,
        y: parseFloat(mark.getAttribute("y")) / 100,
      };
    });
  });
  points.forEach((point, index) => Object.assign(point, { index }));
  const visible = () => points.filter((point) => isOn(point.button));
  const placeOf = (point, box = plot.getBoundingClientRect()) =>
    [box.left + point.x * box.width, box.top + point.y * box.height];
  const nearest = (x, y, within) => {
    const box = plot.getBoundingClientRect();
    let best = null, least = within;
    for (const point of visible()) {
      const [left, top] = placeOf(point, box), distance = Math.hypot(left - x, top - y);
      if (distance <= least) [best, least] = [point, distance];
    }
    return best;
  };

  // The card

  let current = null;
  const pictureOf = (key) => {
    const there = document.querySelector(`img[data-photo="${key}"]`);
    return there ? there.src : photos.has(key) ? `data:image/jpeg;base64,${photos.get(key)}` : null;
  };
  const hide = () => {
    card.hidden = true;
    ring.classList.remove("here");
  };
  const show = (point, above) => {
    if (point === current && !card.hidden) return;
    current = point;
    const source = point.key && pictureOf(point.key);
    photo.replaceChildren();
    if (source) {
      const picture = document.createElement("img");
      Object.assign(picture, { src: source, alt: "", width: 128, height: 128 });
      photo.append(picture);
    }
    document.getElementById("path").textContent = point.path;
    const mark = point.button.querySelector("svg"), name = point.button.querySelector(".name");
    document.getElementById("of").replaceChildren(mark.cloneNode(true), name.cloneNode(true));
    ring.setAttribute("cx", `${100 * point.x}%`);
    ring.setAttribute("cy", `${100 * point.y}%`);
    ring.classList.add("here");
    place(point, above);
  };
  const place = (point, above) => {
    card.hidden = false;
    const view = window.visualViewport, home = figure.getBoundingClientRect();
    const [x, y] = placeOf(point), [width, height] = [card.offsetWidth, card.offsetHeight];
    const [left, top] = [view.offsetLeft + EDGE, view.offsetTop + EDGE];
    const right = view.offsetLeft + view.width - EDGE - width;
    const bottom = view.offsetTop + view.height - EDGE - height;
    const beside = x + GAP <= right ? x + GAP : x - GAP - width;
    const up = y - GAP - height, down = y + GAP;
    const level = (above && up >= top) || down > bottom ? up : down;
    card.style.left = `${Math.max(left, Math.min(beside, right)) - home.left}px`;
    card.style.top = `${Math.max(top, Math.min(level, bottom)) - home.top}px`;
  };

  // Pointer, touch and keyboard

  figure.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return; // a finger that scrolls the page
    const point = nearest(event.clientX, event.clientY, MOUSE);
    if (point) show(point);
    else hide();
  });
  figure.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") hide();
  });
  figure.addEventListener("click", (event) => {
    const touch = event.pointerType === "touch";
    const point = nearest(event.clientX, event.clientY, touch ? FINGER : MOUSE);
    if (point) show(point, touch);
    else hide();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!figure.contains(target)) hide();
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") hide();
  });
  window.addEventListener("resize", hide);

  const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  // The nearest mark in a quarter of the plane; marks in one place follow one another.
  const next = (from, [right, down]) => {
    const box = plot.getBoundingClientRect(), order = right + down;
    const [x, y] = placeOf(from, box);
    let best = null, least = Infinity;
    for (const point of visible()) {
      const [left, top] = placeOf(point, box), [dx, dy] = [left - x, top - y];
      const ahead = dx * right + dy * down, aside = Math.abs(dx * down) + Math.abs(dy * right);
      const distance = Math.hypot(dx, dy), turn = (point.index - from.index) * order;
      if (distance === 0 ? turn <= 0 : ahead < aside || ahead <= 0) continue;
      if (distance < least || (distance === least && order < 0)) [best, least] = [point, distance];
    }
    return best;
  };
  const focusOn = (point) => {
    if (!point) return;
    ring.setAttribute("cy", `${100 * point.y}%`);
    show(point);
    ring.scrollIntoView({ block: "nearest", behavior: "instant" });
    place(point);
    said.textContent = point.text;
  };
  plot.addEventListener("focus", () => {
    if (!plot.matches(":focus-visible")) return; // a click
    focusOn(current && isOn(current.button) ? current : visible()[0]);
  });
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const usable = current && isOn(current.button);
    focusOn(usable ? (card.hidden ? current : next(current, arrow)) : visible()[0]);
  });

  // Without this script, none of these would work.
  plot.tabIndex = 0;
  plot.setAttribute("role", "application");
  plot.setAttribute("aria-roledescription", "plot");
  plot.setAttribute("aria-describedby", "hint");
  for (const button of buttons) {
    const only = button.nextElementSibling;
    button.disabled = only.hidden = false;
    button.addEventListener("click", () =>
      showLabels((other) => (other === button) !== isOn(other)));
    only.addEventListener("click", () => showLabels((other) => other === button));
  }
  for (const [name, on] of [["all", true], ["none", false]]) {
    const button = document.getElementById(name);
    button.hidden = false;
    button.addEventListener("click", () => showLabels(() => on));
  }
  document.getElementById("hint").hidden = false;
  showLabels(() => true);
})();
