// Sends a photo, shows the answer. No library: the page is one form.
"use strict";
const own = document.currentScript;
const texts = JSON.parse(own.dataset.texts);
const maxBytes = Number(own.dataset.maxBytes);
const at = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent", maximumFractionDigits: 0 });
let turn = 0; // the last photo that was sent: an earlier one's answer comes too late

function say(text, isError = false) {
  at("status").textContent = text;
  at("status").classList.toggle("error", isError);
}

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function share(probability) {
  return probability > 0 && probability < 0.005 ? `< ${percent.format(0.01)}` : percent.format(probability);
}

function show(answer) {
  const [first, ...others] = answer.top;
  at("photo").src = answer.photo;
  at("result").classList.toggle("unsure", !answer.sure);
  at("label").textContent = answer.sure ? first.label : texts.unsure;
  at("sure").textContent = answer.sure
    ? share(first.probability)
    : `${answer.familiar ? texts.undecided : texts.unfamiliar} ${first.label}, ${share(first.probability)}`;
  at("others-title").textContent = answer.sure ? texts.others : texts.all;
  at("others").replaceChildren(
    ...(answer.sure ? others : answer.top).map(({ label, probability }) => {
      const row = element("li");
      const bar = element("span", "", "bar");
      const filled = element("i");
      filled.style.width = `${100 * probability}%`;
      bar.append(filled);
      row.append(element("span", label), bar, element("span", share(probability), "share"));
      return row;
    }),
  );
  at("nearest-title").hidden = answer.nearest.length === 0;
  at("nearest").replaceChildren(
    ...answer.nearest.map(({ label, photo }) => {
      const figure = element("figure");
      const image = element("img");
      image.src = photo;
      image.alt = label;
      figure.append(image, element("figcaption", label));
      return figure;
    }),
  );
  at("result").hidden = false;
  at("result").focus({ preventScroll: true });
  at("result").scrollIntoView({ block: "nearest" });
}

async function ask(file) {
  if (!file) return;
  const mine = ++turn;
  at("result").hidden = true;
  if (file.size > maxBytes) {
    say(texts.large, true);
    return;
  }
  say(texts.working);
  let why = "trouble";
  try {
    const answer = await fetch(`answer/${at("place").value}`, {
      method: "POST",
      headers: { "X-XSRFToken": document.querySelector("meta[name=xsrf]").content, "Content-Type": "application/octet-stream" },
      body: file,
    });
    if (mine !== turn) return;
    if (answer.ok) {
      show(await answer.json());
      say("");
      return;
    }
    why = answer.status === 403 ? "login" : answer.status === 413 ? "large" : (await answer.json()).error;
  } catch {
    // No network, or no answer that can be read.
  }
  if (mine === turn) say(texts[why] || texts.trouble, true);
}

for (const [button, input] of [["choose", "file"], ["take", "camera"]]) {
  at(button).addEventListener("click", () => at(input).click());
  at(input).addEventListener("change", (event) => {
    ask(event.target.files[0]);
    event.target.value = ""; // so that the same photo can be chosen again
  });
  at(button).disabled = false; // from now on it does something
}
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("pick").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) at("pick").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("pick").classList.remove("over");
  ask(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => ask(event.clipboardData.files[0]));
