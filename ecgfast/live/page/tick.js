// Calls `tick` of live.js, also while its page is hidden.
"use strict";

setInterval(() => postMessage(null), 500);
