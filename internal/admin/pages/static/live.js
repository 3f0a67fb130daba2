// Fetches the page again every two seconds and replaces its live parts. Without scripts, the page stays as it was loaded.
"use strict";
(() => {
  const every = 2000;
  const status = document.getElementById("live-status");
  if (!document.querySelector("[data-live]")) return;
  if (status) status.textContent = "live";
  const update = async () => {
    if (!document.hidden) {
      try {
        const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
        if (response.ok) {
          const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
          for (const part of document.querySelectorAll("[data-live]")) {
            const next = fresh.getElementById(part.id);
            // A part with the focus in it stays as it is.
            if (next && !part.contains(document.activeElement) && part.innerHTML !== next.innerHTML) part.innerHTML = next.innerHTML;
          }
          if (status) status.textContent = "live";
        } else if (status) status.textContent = "not live: HTTP " + response.status;
      } catch {
        if (status) status.textContent = "not live: no answer";
      }
    }
    setTimeout(update, every);
  };
  setTimeout(update, every);
})();
