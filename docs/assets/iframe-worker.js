// Browsers start no workers on pages opened from the disk (file:), so the search's worker
// runs in a hidden frame there. On a server the real one is used.
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      this.scope = new Promise((resolve) => {
        frame.onload = () => {
          frame.onload = null;
          const scope = frame.contentWindow;
          const script = scope.document.createElement("script");
          scope.postMessage = (data) =>
            this.dispatchEvent(new MessageEvent("message", { data }));
          script.src = new URL(url, location.href);
          script.onload = () => resolve(scope);
          scope.document.body.append(script);
        };
      });
      document.body.append(frame);
    }
    postMessage(data) {
      this.scope.then((scope) =>
        scope.dispatchEvent(new MessageEvent("message", { data })),
      );
    }
    terminate() {}
  };
