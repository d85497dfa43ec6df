// Streamlit gives a button its key on the keyboard, but takes none while the focus is in any input: a slider, a switch or a closed
// list of its own are inputs too, and the list opens at a letter. There the button is pressed from here.

function pressShortcut(event) {
  const heardByStreamlit = !event.composedPath().some((node) => /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName));
  if (heardByStreamlit || event.shiftKey || !/^[a-z]$/i.test(event.key) || !isFree(event)) return;
  const sign = document.querySelector(`[data-testid="stMain"] button [aria-label="Shortcut ${event.key.toUpperCase()}"]`);
  if (!sign) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!event.repeat) sign.closest("button").click(); // one that is disabled takes no click
}

function watchForShortcuts() {
  if (window.pruningWatchesKeys) return; // one for all pages of this visit
  window.pruningWatchesKeys = true;
  addEventListener("keydown", pressShortcut, true);
}
