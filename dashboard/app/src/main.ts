// The dashboard's first line; its views follow.
const root = document.getElementById("app");
if (root) root.textContent = "piStats";
