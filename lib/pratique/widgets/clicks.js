// Tells the kernel which point of a plotly figure was clicked. A figure is drawn anew at each change, so its listener is
// added when the pointer comes to it, which is before any click. The place of the figure and this model have one class.
export default {
  initialize({ model }) {
    const known = new WeakSet();
    const listen = (event) => {
      const [name] = model.get("_dom_classes");
      const plot = event.target.closest?.(`.${name} .js-plotly-plot`);
      if (!plot?.on || known.has(plot)) return;
      known.add(plot);
      plot.on("plotly_click", ({ points: [point] }) => model.send({ customdata: point.customdata }));
    };
    document.addEventListener("pointerover", listen, true);
    return () => document.removeEventListener("pointerover", listen, true);
  },
};
