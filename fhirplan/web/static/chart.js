// What plain HTML cannot do for the chart: shortcuts, focus, words when a form was not sent. Nothing depends on it.
(function () {
  "use strict";
  var body = document.body, going = "";

  function say(text) {
    var box = document.getElementById("alert");
    box.textContent = text;
    box.hidden = !text;
  }

  function typing(target) {
    return target.closest("input, textarea, select, [contenteditable]") !== null;
  }

  function follow(selector, only) {
    var found = document.querySelector(selector);
    if (found) { found.focus(); if (!only && found.matches("a, button")) found.click(); }
    return Boolean(found);
  }

  function step(by) {
    var links = Array.prototype.slice.call(document.querySelectorAll(".task h3 a, .task h4 a, .goal h3 a, .caseload th a, .beside li a"));
    var at = links.indexOf(document.activeElement);
    var next = links[Math.max(0, Math.min(links.length - 1, at + by))];
    if (next) next.focus();
  }

  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") {
      // Out of a field first, then out of the panel to the row that opened it.
      if (typing(event.target)) event.target.blur(); else follow(".beside [aria-current]", true);
      return;
    }
    if (!body.dataset.keys || event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) return;
    if (going === "g") {
      going = "";
      var to = { o: 0, t: 1, g: 2, n: 3, m: 4, l: 5, h: 6, s: 8 }[event.key];
      var tabs = document.querySelectorAll(".tabs a:not(.here)");
      if (to !== undefined && tabs[to]) { event.preventDefault(); tabs[to].click(); }
      return;
    }
    if (event.key === "g") { going = "g"; window.setTimeout(function () { going = ""; }, 1500); return; }
    if (event.key === "j") { event.preventDefault(); step(1); }
    else if (event.key === "k") { event.preventDefault(); step(-1); }
    else if (event.key === "?") { follow('footer a[href*="#keys"]'); }
    else if ("cna/".indexOf(event.key) >= 0 && follow('[data-key="' + event.key + '"]')) event.preventDefault();
  });

  // A form that has been typed into warns before its page is left for good.
  var dirty = false, typed = new Set();
  document.addEventListener("input", function (event) {
    var form = event.target.closest("form[hx-post]");
    if (form) { dirty = true; typed.add(form); }
  });
  document.addEventListener("submit", function (event) {
    if (dirty && event.target.matches(".leave")) {
      event.preventDefault();
      keep().then(function () { dirty = false; event.target.submit(); }, function () { say(body.dataset.leave); });
    } else dirty = false;
  });

  // Has what was typed kept as drafts, before its person leaves.
  function keep() {
    return Promise.all(Array.from(typed).map(function (form) {
      var button = form.querySelector('[formaction$="/draft"]');
      if (!button || !form.isConnected) return null;
      return fetch(button.getAttribute("formaction"), { method: "POST", body: new URLSearchParams(new FormData(form)) })
        .then(function (answer) { if (!answer.ok && !answer.headers.get("X-Draft")) throw new Error("not kept"); });
    }));
  }
  window.addEventListener("beforeunload", function (event) { if (dirty) event.preventDefault(); });

  document.addEventListener("htmx:beforeRequest", function (event) {
    // With words in a form not kept yet, another row is gone to as a page is, which asks first.
    var elt = event.detail.elt;
    if (dirty && elt.matches(".beside a")) { event.preventDefault(); window.location.assign(elt.href); }
  });
  document.addEventListener("htmx:sendError", function () { say(body.dataset.offline); });
  document.addEventListener("htmx:timeout", function () { say(body.dataset.offline); });
  window.addEventListener("online", function () { say(""); });
  document.addEventListener("htmx:beforeSwap", function (event) {
    // An answer that is no page of the chart (the session has ended, say) must not take the place of what was typed.
    if (event.detail.xhr.status === 401) {
      event.detail.shouldSwap = false;
      dirty = !event.detail.xhr.getResponseHeader("X-Draft");
      say(dirty ? body.dataset.session : body.dataset.kept);
    } else if (event.detail.xhr.status >= 400 && event.detail.target.matches("li.task")) {
      event.detail.target = document.getElementById("main");
      event.detail.selectOverride = "#main";
    }
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.xhr.status > 199 && event.detail.xhr.status < 400 && event.detail.elt.matches("form")) { dirty = false; say(""); }
  });
  // What is told by itself stands above what somebody works at, which stays where it is on the screen.
  var high = 0;
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.target.id === "pulse") high = event.detail.target.offsetHeight;
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    if (event.detail.target.id === "pulse") window.scrollBy(0, event.detail.target.offsetHeight - high);
  });
  document.addEventListener("htmx:afterSettle", function (event) {
    var first = document.querySelector("[autofocus]");
    var asked = event.detail.requestConfig;
    // Somebody quick may be typing in what has just appeared: the focus is theirs.
    if (!first && asked && asked.elt.closest(".beside") && !document.activeElement.closest("#panel")) {
      first = document.querySelector("#panel h2");
      first.tabIndex = -1;
    }
    if (first) first.focus();
  });
  var summary = document.querySelector(".summary");
  if (summary) summary.focus();
})();
