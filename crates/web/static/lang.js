// Before anything is drawn: which language, which way it runs, and whether a link brought us here. A language is
// the file of its name; the page's <html> lists them.
(() => {
  const html = document.documentElement;
  const known = html.dataset.languages.split(" ");
  const wanted = (navigator.languages ?? [navigator.language]).map((tag) => tag.split("-")[0].toLowerCase());
  const tag = wanted.find((tag) => known.includes(tag)) ?? known[0];
  let stored = null;
  try {
    stored = sessionStorage.getItem("beeline-code");
  } catch {} // a browser may refuse storage altogether
  if (location.hash.length > 1 || stored) html.dataset.invited = "1";
  if (tag !== known[0]) {
    html.lang = tag;
    html.dataset.wait = "1"; // nothing is read in a language that is about to change
  }
  const texts = fetch(`${tag}.json`).then((answer) => answer.json());
  window.beeline = { tag, texts };
  const drawn = new Promise((resolve) => addEventListener("DOMContentLoaded", resolve));
  Promise.all([texts, drawn])
    .then(([texts]) => {
      html.dir = texts.dir;
      for (const element of document.querySelectorAll("[data-t]")) element.textContent = texts[element.dataset.t];
    })
    .finally(() => delete html.dataset.wait);
})();
