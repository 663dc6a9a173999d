(() => {
  "use strict";
  const page = document.querySelector(".chat");
  const log = document.getElementById("log");
  const form = document.getElementById("say");
  const box = document.getElementById("message");
  const button = form.querySelector("button");
  const fresh = document.getElementById("fresh");
  const place = "chat " + location.pathname;
  const greeting = log.innerHTML;
  let state = { session: form.elements.session_id.value, replyTo: "", lines: [] };
  try {
    state = JSON.parse(sessionStorage.getItem(place)) || state;
  } catch {}

  const add = (who, html, text) => {
    const line = document.createElement("div");
    line.className = "line " + who + (who === "we" ? " prose" : "");
    if (html) line.innerHTML = html;
    else line.textContent = text;
    log.append(line);
    log.scrollTop = log.scrollHeight;
    return line;
  };
  const keep = (who, html, text) => {
    add(who, html, text);
    state.lines.push([who, html, text]);
    state.lines = state.lines.slice(-200);
    save();
  };
  const save = () => {
    fresh.hidden = !state.lines.length;
    try {
      sessionStorage.setItem(place, JSON.stringify(state));
    } catch {}
  };
  const grow = () => {
    box.style.height = "auto";
    box.style.height = Math.min(box.scrollHeight + 2, 180) + "px";
  };

  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const parts = rest.split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const name = /^event: (.*)$/m.exec(part);
        const data = /^data: (.*)$/m.exec(part);
        if (name && data) yield [name[1], JSON.parse(data[1])];
      }
    }
  }

  const say = async (text) => {
    keep("you", "", text);
    const typing = add("we typing", "", "");
    typing.setAttribute("aria-label", page.dataset.typing);
    typing.append(document.createElement("i"), document.createElement("i"), document.createElement("i"));
    button.disabled = true;
    let failed = true;
    const body = { message: text, session_id: state.session, message_id: crypto.randomUUID?.() || String(Math.random()), reply_to: state.replyTo };
    state.replyTo = "";
    try {
      const response = await fetch(location.pathname, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "text/event-stream" },
        body: JSON.stringify(body),
      });
      if (response.ok) {
        for await (const [name, data] of events(response)) {
          if (name === "reply" || name === "ask") {
            typing.remove();
            keep("we", data.html, "");
            log.append(typing);
            log.scrollTop = log.scrollHeight;
            if (name === "ask") state.replyTo = data.reply_to;
          }
          if (name === "done") failed = false;
        }
      }
    } catch {}
    typing.remove();
    if (failed) add("we failed", "", page.dataset.failed);
    button.disabled = false;
    save();
    box.focus();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text || button.disabled) return;
    box.value = "";
    grow();
    say(text);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  box.addEventListener("input", grow);
  fresh.addEventListener("click", () => {
    state = { session: crypto.randomUUID?.() || String(Math.random()), replyTo: "", lines: [] };
    log.innerHTML = greeting;
    save();
    box.focus();
  });
  if (state.lines.length) log.innerHTML = greeting;
  for (const [who, html, text] of state.lines) add(who, html, text);
  save();
})();
