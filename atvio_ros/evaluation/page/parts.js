// Small parts that the scripts of the page share. All text comes as data and goes in as text, never as markup.
'use strict';

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Index of the last of the increasing `times` that is not after `t`; 0 before the first. */
function indexAt(times, t) {
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= t) low = middle; else high = middle - 1;
  }
  return low;
}

/** The word of a row, from stretches [first row, word]. */
function wordAt(stretches, row) {
  return stretches[indexAt(stretches.map(each => each[0]), row)][1];
}

function fixed(value, digits, unit) {
  return value === null || value === undefined ? null : value.toFixed(digits) + ' ' + unit;
}

function table(title, head, rows) {
  const box = element('div');
  box.append(element('h2', title));
  const body = element('table');
  if (head) body.append(rowOf('th', head));
  for (const row of rows) body.append(rowOf('td', row));
  box.append(body);
  return box;
}

function rowOf(tag, cells) {
  const row = element('tr');
  for (const cell of cells) row.append(element(tag, cell));
  return row;
}

const STATE_COLOURS = { tracking: '#3aa86b', stationary: '#4a90d9', degraded: '#e69f00' };
const OTHER_STATE = '#b2182b';
