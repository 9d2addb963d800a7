// Sorting and filtering of tables that are complete without it. A plain script: pages open from a folder.
"use strict";
(function () {
  function sortKey(row, column, numeric) {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    if (!numeric) return (value === undefined ? cell.textContent.trim() : value).toLowerCase();
    return value === undefined ? NaN : Number(value);
  }

  // Cells without a number stay last in both directions; rows that are equal keep their order.
  function compare(one, other, numeric, sign) {
    if (!numeric) return sign * (one < other ? -1 : one > other ? 1 : 0);
    if (isNaN(one) || isNaN(other)) return (isNaN(one) ? 1 : 0) - (isNaN(other) ? 1 : 0);
    return sign * (one - other);
  }

  function sortTable(table, header, direction) {
    const column = header.cellIndex;
    const numeric = header.dataset.sort === "number";
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map(function (row) {
      return { row: row, key: sortKey(row, column, numeric), place: Number(row.dataset.place) };
    });
    const sign = direction === "ascending" ? 1 : -1;
    rows.sort(function (a, b) {
      return compare(a.key, b.key, numeric, sign) || a.place - b.place;
    });
    rows.forEach(function (item) { body.appendChild(item.row); });
    table.querySelectorAll("th[aria-sort]").forEach(function (other) {
      other.removeAttribute("aria-sort");
    });
    header.setAttribute("aria-sort", direction);
  }

  function makeSortable(table) {
    Array.from(table.tBodies[0].rows).forEach(function (row, place) { row.dataset.place = place; });
    table.querySelectorAll("th[data-sort]").forEach(function (header) {
      const button = document.createElement("button");
      button.type = "button";
      while (header.firstChild) button.appendChild(header.firstChild);
      header.appendChild(button);
      button.addEventListener("click", function () {
        const first = header.dataset.first || "ascending";
        const now = header.getAttribute("aria-sort");
        const other = now === "ascending" ? "descending" : "ascending";
        sortTable(table, header, now ? other : first);
      });
    });
  }

  function makeFilters(form) {
    const table = document.getElementById(form.dataset.filters);
    const rows = Array.from(table.tBodies[0].rows);
    const inputs = Array.from(form.querySelectorAll("[data-filter]"));
    const count = form.querySelector("output");
    function apply() {
      let shown = 0;
      rows.forEach(function (row) {
        row.hidden = !inputs.every(function (input) {
          const wanted = input.value.trim().toLowerCase();
          const has = (row.dataset[input.dataset.filter] || "").toLowerCase();
          return wanted === "" || (input.type === "search" ? has.includes(wanted) : has === wanted);
        });
        if (!row.hidden) shown += 1;
      });
      count.textContent = shown + " of " + rows.length + " entries";
    }
    form.addEventListener("input", apply);
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    form.hidden = false;
    apply();
  }

  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll("form[data-filters]").forEach(makeFilters);
})();
