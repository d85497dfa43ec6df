// A page polls; what its browser asks in the moment between a click on the menu and the answer is about a page that is left. Streamlit
// then takes the browser back to that page, where nothing is drawn, under the new address: a blank page. The link of the address,
// clicked again, brings what was wanted. On a server that is busy it may also take the click and the question for one, about the
// page that is left: then nothing comes of the click, and the link that was clicked is clicked again.

const LOOK_EVERY = 250; // ms
const LOOKS = 2; // so often blank, with nothing running, before it is believed
const TRIES = 3;

const menuLink = (path) => [...document.querySelectorAll('[data-testid="stSidebarNavLink"]')].find((one) => one.pathname === path);

function atRest() {
  const app = document.querySelector('[data-testid="stApp"]');
  return app?.dataset.testScriptState === "notRunning" && app.dataset.testConnectionState === "CONNECTED";
}

function blankPage() {
  const main = document.querySelector('[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"]');
  const own = [...(main?.children || [])].filter((one) => !one.querySelector(".st-key-visitor") && !one.matches(".st-key-visitor"));
  return Boolean(main && !own.length);
}

function watchForBlankPage() {
  if (window.pruningWatchesForBlank) return; // one for all pages of this visit
  window.pruningWatchesForBlank = true;
  let looks = 0;
  let tries = 0;
  let clicked = null; // the path of the link in the menu that was clicked last, until its page is there
  const hear = (event) => {
    if (!event.isTrusted || !isPlain(event) || event.shiftKey) return; // its page comes in another tab
    clicked = event.target.closest?.('[data-testid="stSidebarNavLink"]')?.pathname ?? null;
  };
  addEventListener("click", hear, true);
  addEventListener("popstate", () => (clicked = null));
  setInterval(() => {
    if (clicked === location.pathname) clicked = null;
    const wanted = clicked ?? location.pathname;
    looks = atRest() && (clicked || blankPage()) ? looks + 1 : 0;
    if (!looks && !clicked) tries = 0;
    if (looks < LOOKS || tries >= TRIES) return;
    looks = 0;
    tries += 1;
    menuLink(wanted)?.click();
  }, LOOK_EVERY);
}
