// Keys: / goes to the search, j and k move in a list, ? shows what there is. And buttons that copy. Without scripts the pages work the same, and a click selects what could be copied.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const says = (button, text) => {
    const was = button.firstChild.data;
    if (was === text) return;
    button.firstChild.data = text;
    setTimeout(() => { button.firstChild.data = was; }, 2000);
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const from = button.parentElement.querySelector(".copyable");
    try {
      await navigator.clipboard.writeText(from.textContent);
      says(button, "Copied");
    } catch { // no permission, or not over https
      getSelection().selectAllChildren(from);
      says(button, "Selected");
    }
  });
  // The box in the head of a list ticks all on the page.
  document.addEventListener("change", (event) => {
    if (event.target.matches("input.every")) for (const box of document.querySelectorAll('input[name="id"][type="checkbox"]')) box.checked = event.target.checked;
  });
  const help = document.getElementById("keys");
  help?.querySelector(".close").addEventListener("click", () => help.close());
  const links = () => [...document.querySelectorAll("td.id a")];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const all = links();
    const at = all.indexOf(document.activeElement);
    switch (event.key) {
      case "/": document.querySelector('header input[type="search"]')?.focus(); break;
      case "j": all[Math.min(at + 1, all.length - 1)]?.focus(); break;
      case "k": all[Math.max(at - 1, 0)]?.focus(); break;
      case "?": if (help?.open) help.close(); else help?.showModal(); break;
      default: return;
    }
    event.preventDefault();
  });
})();
