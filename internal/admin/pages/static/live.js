// Fetches the page again every two seconds, or as often as it says, and replaces its live parts. In live lists it adds what is new, so that nothing that is open is closed. Without scripts, the page stays as it was loaded.
"use strict";
(() => {
  const every = 1000 * (document.getElementById("main").dataset.every || 2);
  const status = document.getElementById("live-status");
  if (!document.querySelector("[data-live], [data-live-list]")) return;
  if (status) status.textContent = "live";
  // A page that came for a form is asked for with what the form had then, and not by its address alone.
  const form = document.querySelector("form[data-live-form]");
  const address = form ? form.action : location.href;
  const asked = form ? { method: "POST", body: new URLSearchParams(new FormData(form)) } : {};
  const update = async () => {
    if (!document.hidden) {
      try {
        const response = await fetch(address, { ...asked, headers: { Accept: "text/html" }, redirect: "error" });
        if (response.ok) {
          const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
          let held = false;
          for (const part of document.querySelectorAll("[data-live]")) {
            const next = fresh.getElementById(part.id);
            // A part with the focus in it, or with something chosen in it, stays as it is.
            if (next && (part.querySelector("input:checked") || [...part.querySelectorAll("select")].some((choice) => choice.selectedIndex > 0))) held = true;
            else if (next && !part.contains(document.activeElement) && part.innerHTML !== next.innerHTML) part.innerHTML = next.innerHTML;
          }
          for (const list of document.querySelectorAll("[data-live-list]")) {
            const next = fresh.getElementById(list.id);
            if (!next) continue;
            const known = new Set([...list.children].map((child) => child.id));
            list.prepend(...[...next.children].filter((child) => !known.has(child.id)));
          }
          document.title = fresh.title;
          if (status) status.textContent = held ? "not live while something is selected" : "live";
        } else if (status) status.textContent = "not live: HTTP " + response.status;
      } catch {
        if (status) status.textContent = "not live: no answer";
      }
    }
    setTimeout(update, every);
  };
  setTimeout(update, every);
})();
