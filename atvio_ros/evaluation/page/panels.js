// The curves over time, one panel for each thing that is known; all share one cursor, one zoom and the line of now.
'use strict';

const ESTIMATE = '#0072b2', TRUE = '#8a8f98', ROAD = '#d55e00', OTHER = '#009e73', PANEL_HEIGHT = 190;
const DEGREE = 180 / Math.PI;

/** What there is to draw: [title, unit, smallest span, lines, from 0 to 1 or 100 %], a line being { label, colour, values, sigma?, smallest? }. */
function curves(data) {
  const v = data.values, truth = data.truth || {};
  const degrees = values => values && values.map(each => each === null ? null : each * DEGREE);
  const percent = values => values && values.map(each => each === null ? null : 100 * each);
  const root = values => values && values.map(each => each === null ? null : Math.sqrt(Math.max(0, each)));
  const both = v.cov_xx && v.cov_xx.map((each, i) => each === null ? null : each + v.cov_yy[i] + v.cov_zz[i]);
  return [
    ['speed', 'm/s', 1, [
      { label: 'true', colour: TRUE, values: truth.speed, width: 3 },
      { label: 'road alone', colour: ROAD, values: v.road_speed, width: 1 },
      { label: 'estimate', colour: ESTIMATE, values: v.speed, sigma: v.speed_sigma },
    ]],
    ['position error', 'm', 0.1, [
      { label: 'its sigma', colour: OTHER, values: v.error && root(both), width: 1 },
      { label: 'error', colour: ESTIMATE, values: v.error },
    ]],
    ['height', 'm', 2, [
      { label: 'true', colour: TRUE, values: truth.z, width: 3 },
      { label: 'estimate', colour: ESTIMATE, values: data.z, sigma: root(v.cov_zz) },
    ]],
    ['rotation error', 'deg', 0.2, [
      { label: 'sigma of the heading', colour: OTHER, values: v.rotation_error && degrees(v.yaw_sigma), width: 1 },
      { label: 'error', colour: ESTIMATE, values: v.rotation_error },
    ]],
    ['tilt', 'deg', 1, [
      { label: 'road against the way', colour: ROAD, values: degrees(v.road_tilt) },
      { label: 'way below the rig\u2019s', colour: ESTIMATE, values: degrees(v.travel_pitch), sigma: degrees(v.travel_sigma) },
      { label: 'way right of it', colour: OTHER, values: degrees(v.travel_yaw) },
    ]],
    ['turn rate', 'deg/s', 2, [{ label: 'about z', colour: ESTIMATE, values: degrees(v.yaw_rate) }]],
    ['patches of road that agree', '%', 100, [{ label: 'agree', colour: ROAD, values: percent(v.road_support) }], true],
    ['attention', '', 1, [
      { label: 'vision', colour: ESTIMATE, values: v.attention_visual },
      { label: 'inertia', colour: ROAD, values: v.attention_inertial },
    ], true],
    ['uncertainty of the position', 'm', 0.1, [
      { label: 'sigma', colour: OTHER, values: v.error ? undefined : root(both) },
    ]],
  ].map(([title, unit, smallest, lines, share]) => ({ title, unit, smallest, share, lines: lines.filter(line => line.values) }))
    .filter(panel => panel.lines.length);
}

/** Draws all panels into `holder`; returns { show(t), resize() }. */
function makePanels(holder, data, onSeek) {
  const panels = curves(data).map(panel => makePanel(holder, data.t, panel, onSeek));
  return {
    show(t) { for (const panel of panels) panel.show(t); },
    resize() { for (const panel of panels) panel.resize(); },
    count: panels.length,
  };
}

function makePanel(holder, t, { title, unit, smallest, share, lines }, onSeek) {
  const box = element('div', undefined, 'panel'), head = element('h2', title);
  head.append(element('small', unit));
  box.append(head);
  holder.append(box);
  const series = [{ label: 't', value: (u, v) => v === null ? '--' : v.toFixed(2) + ' s' }], bands = [], columns = [t];
  const shown = (u, v) => v === null || v === undefined ? '--' : v.toFixed(3);
  for (const line of lines) {
    if (line.sigma) {
      for (const side of [1, -1]) {
        columns.push(line.values.map((v, i) => v === null || line.sigma[i] === null ? null : v + side * line.sigma[i]));
        series.push({ label: '', width: 0, points: { show: false }, stroke: 'transparent' });
      }
      bands.push({ series: [series.length - 2, series.length - 1], fill: line.colour + '2e' });
    }
    columns.push(line.values);
    series.push({ label: line.label, stroke: line.colour, width: line.width || 1.8, points: { show: false }, value: shown });
  }
  const range = (u, low, high) => {
    if (low === null || low === undefined) return [0, smallest];
    if (share) return [0, 1.05 * smallest];
    const middle = (low + high) / 2, half = Math.max((high - low) / 2, smallest / 2) * 1.08;
    return low >= 0 && low <= 1.2 * half ? [0, Math.max(high * 1.08, smallest)] : [middle - half, middle + half];
  };
  const axis = { stroke: '#6b7280', grid: { stroke: '#e3e6ea' }, ticks: { stroke: '#e3e6ea' }, font: '11px system-ui' };
  const plot = new uPlot({
    width: box.clientWidth, height: PANEL_HEIGHT, series, bands, scales: { x: { time: false }, y: { range } },
    axes: [{ ...axis, size: 28, values: (u, ticks) => ticks.map(each => each + ' s') }, { ...axis, size: 46 }], padding: [6, 10, 0, 0],
    cursor: { sync: { key: 'time', scales: ['x', null] }, drag: { x: true, y: false }, points: { size: 5 } },
  }, columns, box);
  for (const [i, row] of [...plot.root.querySelectorAll('.u-series')].entries()) {
    if (i > 0 && series[i].label === '') row.style.display = 'none';  // the edges of a band
  }
  const mark = element('div', undefined, 'cursor');
  plot.over.append(mark);
  let pressed = 0, now = 0;
  plot.over.addEventListener('mousedown', event => { pressed = event.clientX; });
  plot.over.addEventListener('click', event => {
    if (Math.abs(event.clientX - pressed) < 3) onSeek(plot.posToVal(event.offsetX, 'x'));
  });
  let hovered = false;
  plot.over.addEventListener('mouseenter', () => { hovered = true; });
  plot.over.addEventListener('mouseleave', () => { hovered = false; });
  function show(at) {
    now = at;
    if (!hovered) plot.setLegend({ idx: indexAt(t, at) });  // the values of now, until the mouse asks for others
    const left = plot.valToPos(now, 'x');
    mark.style.display = left < 0 || left > plot.over.clientWidth ? 'none' : '';
    mark.style.left = left + 'px';
  }
  plot.hooks.setScale = [...(plot.hooks.setScale || []), () => requestAnimationFrame(() => show(now))];
  return { show, resize() { plot.setSize({ width: box.clientWidth, height: PANEL_HEIGHT }); show(now); } };
}
