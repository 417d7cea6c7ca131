// Draws the page's figures from the data inside it, in the colours of the paper they are read on.
(() => {
  "use strict";
  const read = (id) => document.getElementById(id).textContent;
  const tokens = JSON.parse(read("tokens"));
  const light = new RegExp(`"(${Object.keys(tokens).join("|")})"`, "g");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const printed = matchMedia("print");
  const touch = matchMedia("(pointer: coarse)");
  const PRINT_WIDTH = 680;
  let printing = false;

  function set(target, path, value) {
    const keys = path.split(".");
    const last = keys.pop();
    const owner = keys.reduce((object, key) => (object[key] ??= {}), target);
    owner[last] = value;
  }

  function draw(place) {
    const text = read(place.dataset.figure);
    const onDark = dark.matches && !printing;
    const figure = JSON.parse(onDark ? text.replace(light, (_, color) => `"${tokens[color]}"`) : text);
    const layout = figure.layout;
    if (narrow.matches && !printing) {
      for (const [path, value] of Object.entries((layout.meta || {}).narrow || {})) set(layout, path, value);
    }
    if (touch.matches) layout.dragmode = false;
    if (printing) layout.width = PRINT_WIDTH;
    const config = { responsive: !printing, displaylogo: false, typesetMath: false, showTips: false, displayModeBar: touch.matches ? false : "hover" };
    return Plotly.react(place, figure.data, layout, config);
  }

  const places = [...document.querySelectorAll("[data-figure]")];
  const drawAll = () => Promise.all(places.map(draw));
  const print = (on) => () => {
    if (printing !== on) { printing = on; drawAll(); }
  };
  addEventListener("beforeprint", print(true));
  addEventListener("afterprint", print(false));
  printed.addEventListener("change", (event) => print(event.matches)());
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  for (const place of places) place.replaceChildren();
  drawAll().then(() => document.documentElement.setAttribute("data-drawn", String(places.length)));
})();
