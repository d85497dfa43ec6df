// Hands small news on to the stage, which so keeps its element and its megabyte of data while they change.

function makeFeed(root) {
  // Out of the flow, or Streamlit would leave a gap for an element that shows nothing.
  const box = (root.getRootNode().host || root).closest('[data-testid="stElementContainer"]');
  if (box) box.style.position = "absolute";
  function show(news) {
    const text = JSON.stringify(news);
    if (window.pruningFeedText === text) return;
    window.pruningFeedText = text;
    window.pruningFeed = news;
    window.dispatchEvent(new CustomEvent("pruning-feed", { detail: news }));
  }
  return { show, close() {} };
}

export default keepMounted(".feed", makeFeed);
