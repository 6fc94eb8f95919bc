// Counts what the page's thread is asked to do: messages of its worker, changes of its document, tasks over 50 ms.
window.work = { messages: 0, changes: 0, long_tasks: 0 };
window.Worker = class extends Worker {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", () => work.messages++);
  }
};
const all = { subtree: true, childList: true, characterData: true, attributes: true };
new MutationObserver(() => work.changes++).observe(document, all);
new PerformanceObserver(list => (work.long_tasks += list.getEntries().length)).observe({ type: "longtask" });
