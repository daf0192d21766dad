// The page of several drives.
'use strict';

(function () {
  const data = JSON.parse(document.getElementById('data').textContent);
  const at = id => document.getElementById(id);
  at('name').textContent = data.title;
  at('note').textContent = data.note;
  const drives = table('drives', data.head, data.rows);
  const rows = drives.querySelectorAll('tr');
  data.links.forEach((link, i) => {
    const cell = rows[i + 1].firstChild, anchor = element('a', cell.textContent);
    anchor.href = link;
    cell.replaceChildren(anchor);
  });
  if (data.rows.length > data.links.length) rows[rows.length - 1].className = 'mean';
  for (const row of rows) for (const cell of [...row.children].slice(1)) cell.className = 'number';
  at('tables').append(drives, table('the paper, on its own data', ['network', 't_rel %', 'r_rel \u00b0/100 m'], data.paper),
    table('what made it', null, data.made));
  if (data.picture) at('picture').src = data.picture; else at('picture').remove();
  document.body.dataset.ready = 'yes';
})();
