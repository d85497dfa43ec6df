// On a server that has just started, Streamlit takes the folder pages/ for its own and says "Page not found" to whoever comes by a
// link to one of our pages, over the page itself, having gone to the start page and back in between. Where the menu holds the
// address, that is closed, and the two places are taken out of the way of Back.

function closeFalseAlarm() {
  const inMenu = [...document.querySelectorAll('[data-testid="stSidebarNavLink"]')].some((link) => link.pathname === location.pathname);
  const dialog = [...document.querySelectorAll('[role="dialog"]')].find((one) => one.textContent.includes("Page not found"));
  if (!inMenu || !dialog) return false;
  dialog.querySelector("button")?.click();
  return true;
}

/** Whether the last two places are the start page, where nobody asked to go, and this one again. */
function cameInARoundabout() {
  const places = window.navigation?.entries?.() || []; // not every browser tells
  const [first, between] = places.slice(-3, -1).map((place) => new URL(place.url));
  return places.length > 2 && first.href === location.href && between.pathname !== location.pathname;
}

/** Closes the alarm, now or when it comes, and then calls `done`: once, before which nothing may change the address. */
function afterFalseAlarm(done) {
  const watch = new MutationObserver(closeFalseAlarm);
  watch.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => watch.disconnect(), 10000); // it comes with the first run or not at all
  if (!closeFalseAlarm() || !cameInARoundabout()) return done();
  addEventListener("popstate", () => setTimeout(done), { once: true }); // after Streamlit has heard of it
  history.go(-2);
}
