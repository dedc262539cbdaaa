// Sends a photo, shows the prediction. No library: the page is one form.
"use strict";
const own = document.currentScript;
const texts = JSON.parse(own.dataset.texts);
const maxBytes = Number(own.dataset.maxBytes);
const at = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent", maximumFractionDigits: 0 });
let turn = 0; // the last photo that was sent: an earlier one's prediction comes too late

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

// Never 0 or 100%: a prediction is not certain.
function share(probability) {
  if (probability < 0.005) return `< ${percent.format(0.01)}`;
  return probability >= 0.995 ? `> ${percent.format(0.99)}` : percent.format(probability);
}

// What is said below the name. Probabilities are shares among the known labels, so they mean nothing
// for a photo that is unlike all of them.
function comment({ confident, in_distribution: familiar, top }) {
  if (!familiar && !confident) return `${texts.unfamiliar} ${top[0].name}`;
  const sure = share(top[0].probability);
  return confident ? sure : `${texts.undecided} ${top[0].name}, ${sure}`;
}

// The labels to list: the server leaves out those that are too improbable to say something.
function listed({ confident, in_distribution: familiar, top }) {
  if (confident) return top.slice(1);
  return familiar && top.length > 1 ? top : [];
}

function show(prediction) {
  document.body.classList.add("answered");
  at("photo").src = prediction.photo;
  at("result").classList.toggle("unsure", !prediction.confident);
  at("label").textContent = prediction.confident ? prediction.top[0].name : texts.unsure;
  at("sure").textContent = comment(prediction);
  const others = listed(prediction);
  at("others-title").textContent = prediction.confident ? texts.others : texts.all;
  at("others-title").hidden = others.length === 0;
  at("others").replaceChildren(
    ...others.map(({ name, probability }) => {
      const row = element("li");
      const bar = element("span", "", "bar");
      const filled = element("i");
      filled.style.width = `${100 * probability}%`;
      bar.append(filled);
      row.append(element("span", name), bar, element("span", share(probability), "share"));
      return row;
    }),
  );
  at("nearest-title").hidden = prediction.nearest.length === 0;
  at("nearest").replaceChildren(
    ...prediction.nearest.map(({ name, photo }) => {
      const figure = element("figure");
      const image = element("img");
      image.src = photo;
      image.alt = name;
      figure.append(image, element("figcaption", name));
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
    const response = await fetch(`predict/${at("source").value}`, {
      method: "POST",
      headers: { "X-XSRFToken": document.querySelector("meta[name=xsrf]").content, "Content-Type": "application/octet-stream" },
      body: file,
    });
    if (mine !== turn) return;
    if (response.ok) {
      show(await response.json());
      say("");
      return;
    }
    why = response.status === 403 ? "login" : response.status === 413 ? "large" : (await response.json()).error;
  } catch {
    // No network, or a response that is not JSON.
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
for (const button of document.querySelectorAll("#samples button")) {
  button.addEventListener("click", async () => {
    try {
      ask(await (await fetch(button.firstElementChild.src)).blob());
    } catch {
      say(texts.trouble, true);
    }
  });
  button.disabled = false;
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
