// A browser starts no worker in a page that was opened from a folder (file:). There the search script runs in a hidden
// frame instead, which has the part of the Worker interface that the search uses: postMessage, onmessage, message events.
(() => {
  "use strict";
  if (location.protocol !== "file:") return;

  const bridge = `<script>
    window.postMessage = (data) => parent.postMessage(data, "*");
    window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done, failed) => {
      const script = Object.assign(document.createElement("script"), { src: url, onload: done, onerror: failed });
      document.body.append(script);
    })), Promise.resolve());
  </scr` + `ipt>`;

  // the theme takes this name; it fetches a script from a CDN unless a file called iframe-worker is there
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = Object.assign(document.createElement("iframe"), { hidden: true });
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      const source = Object.assign(document.createElement("script"), { src: url }).outerHTML;
      inner.document.open();
      inner.document.write(`<!doctype html><body>${bridge}${source}</body>`);
      inner.document.close();
      // opening a document removes the listeners of its window, so this one is added last
      this.loaded = new Promise((done) => inner.addEventListener("load", done));
      window.addEventListener("message", (event) => {
        if (event.source !== this.frame.contentWindow) return;
        const message = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(message);
        if (this.onmessage) this.onmessage(message);
      });
    }

    postMessage(data) {
      this.loaded.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
})();
