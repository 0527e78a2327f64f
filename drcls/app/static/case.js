"use strict";

// The slider and the choice of the heat map; without this script the first map lies over the photograph.
const heatMaps = document.querySelectorAll(".heat");
const slider = document.getElementById("opacity");
document.querySelectorAll(".scripted").forEach((part) => { part.hidden = false; });

function showHeatMap() {
  const chosen = document.querySelector("input[name=method]:checked");
  heatMaps.forEach((map) => {
    map.hidden = map.id !== `heat-${chosen.value}`;
    map.style.opacity = slider.value / 100;
  });
}

if (slider) {
  slider.addEventListener("input", showHeatMap);
  document.querySelectorAll("input[name=method]").forEach((radio) => radio.addEventListener("change", showHeatMap));
  showHeatMap();
}

// The progress of what is being made; a finished map appears with a new drawing of the page, unless a form is half
// filled in.
const jobs = document.querySelector(".jobs");
const news = document.getElementById("job-news");
const decision = document.querySelector("form.fields");
let touched = false;
if (decision) decision.addEventListener("input", () => { touched = true; });

async function follow() {
  const waiting = [...document.querySelectorAll(".jobs [data-state=queued], .jobs [data-state=running]")];
  if (!waiting.length) return;
  const response = await fetch(jobs.dataset.states, { headers: { Accept: "application/json" } });
  if (!response.ok || response.redirected) return;
  const states = await response.json();
  for (const item of waiting) {
    const job = states[item.dataset.method];
    item.querySelector(".state").textContent = job.state;
    item.querySelector("progress").value = job.progress;
    if (job.state === "done" || job.state === "failed") {
      item.dataset.state = job.state;
      news.textContent = `${item.dataset.method.replace("_", "-")}: ${job.state}`;
      if (!touched) { window.location.reload(); return; }
    }
  }
  window.setTimeout(follow, 1000);
}

if (jobs) window.setTimeout(follow, 500);
