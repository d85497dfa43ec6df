// On a server that has just started, Streamlit takes the folder pages/ for its own and says "Page not found" to whoever comes by a
// link to one of our pages, over the page itself. Where the menu holds the address, that is closed.

function closeFalseAlarm() {
  const inMenu = [...document.querySelectorAll('[data-testid="stSidebarNavLink"]')].some((link) => link.pathname === location.pathname);
  const dialog = [...document.querySelectorAll('[role="dialog"]')].find((one) => one.textContent.includes("Page not found"));
  if (inMenu && dialog) dialog.querySelector("button")?.click();
}

function watchForFalseAlarm() {
  const watch = new MutationObserver(closeFalseAlarm);
  watch.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => watch.disconnect(), 10000); // it comes with the first run or not at all
  closeFalseAlarm();
}
