// Keeps a random token in this browser and reports it once, so that a reload is known to be the same person.

const TOKEN = "pruning-explorer visitor";
let forgotten = null; // where storage is forbidden the token lives as long as the page

function visitorToken() {
  const fresh = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  try {
    if (!localStorage.getItem(TOKEN)) localStorage.setItem(TOKEN, fresh());
    return localStorage.getItem(TOKEN);
  } catch {
    return (forgotten ||= fresh());
  }
}

const setters = new WeakMap(); // the newest: Streamlit makes new ones at every run

export default function ({ parentElement, data, setStateValue }) {
  window.pruningPage = data?.page; // see writeAddress in shared.js
  const first = !setters.has(parentElement);
  setters.set(parentElement, setStateValue);
  if (!first) return;
  // Out of the flow, or Streamlit would leave a gap for an element that shows nothing.
  const box = (parentElement.host || parentElement).closest('[data-testid="stElementContainer"]');
  if (box) box.style.position = "absolute";
  watchForBlankPage();
  watchForShortcuts();
  onePlaceForEachPage();
  const token = visitorToken();
  afterFalseAlarm(() => {
    if (data?.known !== token) setters.get(parentElement)("token", token);
  });
}
