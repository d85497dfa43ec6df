// Hands small news on to the stage, which so keeps its element and its megabyte of data while they change.

export default function ({ parentElement, data }) {
  // Out of the flow, or Streamlit would leave a gap for an element that shows nothing.
  const box = (parentElement.host || parentElement).closest('[data-testid="stElementContainer"]');
  if (box) box.style.position = "absolute";
  const text = JSON.stringify(data);
  if (window.pruningFeedText === text) return;
  window.pruningFeedText = text;
  window.pruningFeed = data;
  window.dispatchEvent(new CustomEvent("pruning-feed", { detail: data }));
}
