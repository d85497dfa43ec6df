// A page polls; what its browser asks in the moment between a click on the menu and the answer is about a page that is left. Streamlit
// then takes the browser back to that page, where nothing is drawn, under the new address: a blank page. The link of the address,
// clicked again, brings what was wanted.

const LOOK_EVERY = 250; // ms
const LOOKS = 2; // so often blank, with nothing running, before it is believed
const TRIES = 3;

function blankPage() {
  const app = document.querySelector('[data-testid="stApp"]');
  const main = document.querySelector('[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"]');
  const idle = app?.dataset.testScriptState === "notRunning" && app.dataset.testConnectionState === "CONNECTED";
  const own = [...(main?.children || [])].filter((one) => !one.querySelector(".st-key-visitor") && !one.matches(".st-key-visitor"));
  return Boolean(idle && main && !own.length);
}

function watchForBlankPage() {
  if (window.pruningWatchesForBlank) return; // one for all pages of this visit
  window.pruningWatchesForBlank = true;
  let looks = 0;
  let tries = 0;
  setInterval(() => {
    looks = blankPage() ? looks + 1 : 0;
    if (!looks) tries = 0;
    if (looks < LOOKS || tries >= TRIES) return;
    looks = 0;
    tries += 1;
    const links = [...document.querySelectorAll('[data-testid="stSidebarNavLink"]')];
    links.find((link) => link.pathname === location.pathname)?.click();
  }, LOOK_EVERY);
}
