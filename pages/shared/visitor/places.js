// Streamlit adds a place to the browser's history each time a page's address says something else, so that Back would lead to the
// page one is on. A page has one place here: only another path is another one.
//
// On the way to another page Streamlit may first write what that page's address says, under the path of the page that is left.
// Such a draft is taken back before the path changes; once all is drawn and the path has stayed, it was no draft.

const DRAFT_LOOKS = 2; // so often at rest, before an address counts as the page's own
const DRAFT_EVERY = 50; // ms

function onePlaceForEachPage() {
  if (window.pruningKeepsPlaces) return; // one for all pages of this visit
  window.pruningKeepsPlaces = true;
  const push = history.pushState.bind(history);
  let before = null; // the address that a draft has written over
  let looks = 0;
  let timer = 0;

  function forget() {
    clearInterval(timer);
    before = null;
  }
  function look() {
    const idle = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === "notRunning";
    looks = idle ? looks + 1 : 0;
    if (looks >= DRAFT_LOOKS) forget();
  }
  addEventListener("popstate", forget);

  /** The server's address, with what the page's elements have written into it and the server has yet to hear of. */
  function withOwn(address) {
    const [now, to] = [new URL(location.href), new URL(address ?? "", location.href)];
    const run = now.searchParams.get("run");
    if (run && run !== to.searchParams.get("run")) return address; // what they wrote is about another run
    for (const name of window.pruningOwnInAddress || []) {
      if (now.searchParams.has(name) && !to.searchParams.has(name)) to.searchParams.set(name, now.searchParams.get(name));
    }
    return to.href;
  }

  history.pushState = (state, unused, address) => {
    const same = new URL(address ?? "", location.href).pathname === location.pathname;
    if (!same) {
      if (before) history.replaceState(history.state, unused, before);
      forget();
      push(state, unused, address);
      return;
    }
    if (!before) {
      before = location.href;
      timer = setInterval(look, DRAFT_EVERY);
    }
    looks = 0;
    history.replaceState(state, unused, withOwn(address));
  };
}
