(() => {
  "use strict";
  const byId = id => document.getElementById(id);
  const table = byId("table"), search = byId("search"), all = byId("all"), status = byId("status");
  const rows = [...table.querySelectorAll("tbody tr")], heads = [...table.tHead.rows[0].cells];
  const lists = [...document.querySelectorAll("ul[data-list]")];
  const collator = new Intl.Collator("en", {numeric: true, sensitivity: "base"});
  const keys = new Map(), together = table.tBodies.length ? table.tBodies[0].rows.length : 1;
  const chosen = new Map(lists.map(list => [list.dataset.list, new Set()]));
  const causes = [...document.querySelectorAll('ul[data-list="c"] .of')].map(name => name.textContent.toLowerCase());
  let order = rows, shown = rows, sorted = "", texts = null;

  const places = (row, list) => row.dataset[list] ? row.dataset[list].split(" ") : [];

  /* What a search looks at: the name and every cause, also those that the row only counts. */
  const textOf = row => [row.cells[0].textContent.toLowerCase(), row.cells[7].textContent.toLowerCase(),
    ...places(row, "c").map(place => causes[place] || "")].join("\n");

  function say() {
    const n = number => number.toLocaleString("en");
    status.textContent = (shown.length === rows.length ? n(rows.length) + (rows.length === 1 ? " run" : " runs")
      : n(shown.length) + " of " + n(rows.length) + " runs") + (sorted && ", " + sorted);
    all.disabled = !search.value && [...chosen.values()].every(set => !set.size);
  }

  /* Puts the rows that are to be seen into the table, in groups of which the browser lays out only those near the
     window; the others are out of the document, where they cost nothing. */
  function place(wanted) {
    if (wanted.length === shown.length && wanted.every((row, number) => row === shown[number])) return;
    shown = wanted;
    for (const body of [...table.tBodies]) body.remove();
    for (let start = 0; start < wanted.length; start += together) {
      const body = document.createElement("tbody"), part = wanted.slice(start, start + together);
      body.setAttribute("role", "rowgroup");
      body.style.containIntrinsicBlockSize = "auto " + 2.4 * part.length + "rem";
      body.append(...part);
      table.append(body);
    }
  }

  function apply() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const active = [...chosen].filter(([, set]) => set.size);
    if (words.length && !texts) texts = new Map(rows.map(row => [row, textOf(row)]));
    place(order.filter(row => active.every(([list, set]) => places(row, list).some(place => set.has(place))) &&
      words.every(word => texts.get(row).includes(word))));
    say();
  }

  /* Losses are in other units than accuracies and stand after them, empty cells last, whichever way it is sorted. */
  function keyOf(cell, numeric) {
    if (!numeric) return [cell.textContent.trim() ? 0 : 2, cell.textContent.trim()];
    const value = cell.dataset.v;
    return value === undefined ? [2, 0] : ["l" in cell.dataset ? 1 : 0, Number(value)];
  }

  function sort(column) {
    const head = heads[column], numeric = !!head.className, was = head.getAttribute("aria-sort");
    const up = was ? was === "descending" : !numeric;
    if (!keys.has(column)) keys.set(column, new Map(rows.map(row => [row, keyOf(row.cells[column], numeric)])));
    const its = keys.get(column), sign = up ? 1 : -1;
    order = [...order].sort((one, other) => {
      const a = its.get(one), b = its.get(other);
      return a[0] - b[0] || sign * (numeric ? a[1] - b[1] : collator.compare(a[1], b[1]));
    });
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const way = numeric ? (up ? "smallest" : "largest") + " first" : up ? "A to Z" : "Z to A";
    sorted = "sorted by " + head.textContent.toLowerCase() + ", " + way;
    apply();
  }

  function button(from, inside) {
    const made = document.createElement("button");
    made.type = "button";
    made.append(...from.childNodes);
    if (inside) from.append(made); else from.replaceWith(made);
    return made;
  }

  heads.forEach((head, column) => {
    if (!head.classList.contains("s")) button(head, true).addEventListener("click", () => sort(column));
  });
  for (const list of lists) {
    const set = chosen.get(list.dataset.list);
    for (const pick of list.querySelectorAll(".pick")) {
      const place = pick.dataset.i, made = button(pick, false);
      made.className = "pick";
      made.setAttribute("aria-pressed", "false");
      made.addEventListener("click", () => {
        const on = !set.delete(place);
        if (on) set.add(place);
        made.setAttribute("aria-pressed", String(on));
        apply();
      });
    }
  }
  search.addEventListener("input", apply);
  all.addEventListener("click", () => {
    search.value = "";
    for (const set of chosen.values()) set.clear();
    for (const pick of document.querySelectorAll("button.pick")) pick.setAttribute("aria-pressed", "false");
    apply();
    search.focus();
  });
  /* A browser that comes back to the page has put the text of the search back. */
  window.addEventListener("pageshow", apply);
  byId("tools").hidden = byId("how").hidden = false;
  say();
})();
