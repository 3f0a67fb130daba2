// Gives a page that came for a form an address, so that a browser can come back to it without posting the form again.
"use strict";
history.replaceState(null, "", document.getElementById("main").dataset.address);
