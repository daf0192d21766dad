// The drive from above: truth, estimate in the colour of its error, covariance ellipses, where the robot is now.
'use strict';

const ERROR_STOPS = [[0, 114, 178], [230, 159, 0], [178, 24, 43]];  // small, middle, large
const SHADES = 16, NINETY_FIVE = Math.sqrt(5.991), ELLIPSES = 14, FOLLOWED_M = 25, SMALLEST_SPAN_M = 2, SMALLEST_ERROR_M = 0.05;

function errorColour(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (ERROR_STOPS.length - 1), i = Math.floor(at);
  const mix = ERROR_STOPS[i].map((from, c) => Math.round(from + (at - i) * (ERROR_STOPS[i + 1][c] - from)));
  return `rgb(${mix.join(',')})`;
}

/** Draws `data` into the element `holder`; returns { show(row), follow(on), resize(width, height) }. */
function makeMap(holder, data, width, height, onSeek) {
  const span = values => Math.max(...values.filter(v => v !== null)) - Math.min(...values.filter(v => v !== null));
  const lying = span(data.x) > 1.5 * span(data.y);
  // Forward is up; a long way straight ahead lies from left to right.
  const right = (x, y) => lying ? x : -y, up = (x, y) => lying ? y : x;
  const place = (xs, ys) => xs.map((x, i) => x === null ? null : [right(x, ys[i]), up(x, ys[i])]);
  const line = place(data.x, data.y), truth = data.truth ? place(data.truth.x, data.truth.y) : null;
  const errors = data.values.error, worst = errors ? Math.max(SMALLEST_ERROR_M, ...errors.filter(e => e !== null)) : 0;
  const all = line.concat(truth || []).filter(p => p !== null);
  let now = 0, following = false;

  function limits(plotWidth, plotHeight) {
    let middle, half;
    if (following) {
      middle = line[now];
      half = [FOLLOWED_M, FOLLOWED_M];
    } else {
      const low = [0, 1].map(c => all.reduce((m, p) => Math.min(m, p[c]), Infinity));
      const high = [0, 1].map(c => all.reduce((m, p) => Math.max(m, p[c]), -Infinity));
      middle = [0, 1].map(c => (low[c] + high[c]) / 2);
      half = [0, 1].map(c => 0.56 * Math.max(high[c] - low[c], SMALLEST_SPAN_M));
    }
    const perPixel = Math.max(2 * half[0] / plotWidth, 2 * half[1] / plotHeight);  // the same both ways
    half = [perPixel * plotWidth / 2, perPixel * plotHeight / 2];
    return [0, 1].map(c => [middle[c] - half[c], middle[c] + half[c]]);
  }

  const plotSize = u => [Math.max(50, u.width - 62), Math.max(50, u.height - 68)];
  const axis = (label, size) => ({ label, labelSize: 18, size, stroke: '#6b7280', grid: { stroke: '#e3e6ea' },
    ticks: { stroke: '#e3e6ea' }, font: '11px system-ui', labelFont: '12px system-ui' });
  const options = {
    width, height, legend: { show: false }, cursor: { show: false }, padding: [22, 12, 0, 0],
    scales: { x: { time: false, range: u => limits(...plotSize(u))[0] }, y: { range: u => limits(...plotSize(u))[1] } },
    axes: [axis(lying ? 'forward [m]' : 'right [m]', 28), axis(lying ? 'left [m]' : 'forward [m]', 32)],
    series: [{}, { points: { show: false }, width: 0 }],
    hooks: { draw: [draw] },
  };
  const plot = new uPlot(options, [[0, 1], [0, 1]], holder);

  function draw(u) {
    const c = u.ctx, dpr = uPlot.pxRatio || devicePixelRatio || 1;
    const X = v => u.valToPos(v, 'x', true), Y = v => u.valToPos(v, 'y', true);
    c.save();
    c.beginPath();
    c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    c.clip();
    c.lineJoin = c.lineCap = 'round';
    const stroke = (points, colour, thick, from = 0, to = points.length - 1) => {
      c.strokeStyle = colour;
      c.lineWidth = thick * dpr;
      c.beginPath();
      let pen = false;
      for (let i = from; i <= to; i++) {
        if (points[i] === null) { pen = false; continue; }
        if (pen) c.lineTo(X(points[i][0]), Y(points[i][1])); else c.moveTo(X(points[i][0]), Y(points[i][1]));
        pen = true;
      }
      c.stroke();
    };
    if (truth) stroke(truth, '#b9bdc5', 5);
    c.globalAlpha = 0.3;
    stroke(line, '#0072b2', 1.5, now);
    c.globalAlpha = 1;
    for (let k = 1; k <= ELLIPSES; k++) ellipse(Math.round(k * (line.length - 1) / ELLIPSES), 0.28);
    if (errors) {
      const shade = i => Math.floor(Math.min(0.999, (errors[i] || 0) / worst) * SHADES);
      for (let from = 0; from < now;) {
        let to = from + 1;
        while (to < now && shade(to + 1) === shade(from + 1)) to++;
        stroke(line, errorColour((shade(from + 1) + 0.5) / SHADES), 2.5, from, to);
        from = to;
      }
    } else stroke(line, '#0072b2', 2.5, 0, now);
    ellipse(now, 1);
    if (truth && truth[now]) spot(truth[now], '#8a8f98');
    spot(line[now], '#0072b2');
    c.restore();

    function spot(point, colour) {
      c.fillStyle = colour;
      c.strokeStyle = '#fff';
      c.lineWidth = 1.5 * dpr;
      c.beginPath();
      c.arc(X(point[0]), Y(point[1]), 5 * dpr, 0, 7);
      c.fill();
      c.stroke();
    }

    /** That holds the true position with 95 %, by the covariance of x and y in odom. */
    function ellipse(row, alpha) {
      const v = data.values;
      if (!v.cov_xx || v.cov_xx[row] === null) return;
      let [a, b, d] = [v.cov_xx[row], v.cov_xy[row], v.cov_yy[row]];
      if (!lying) [a, b, d] = [d, -b, a];
      const mean = (a + d) / 2, apart = Math.hypot((a - d) / 2, b), perMetre = Math.abs(X(1) - X(0));
      const radii = [mean + apart, Math.max(0, mean - apart)].map(e => NINETY_FIVE * Math.sqrt(e) * perMetre);
      const turn = -0.5 * Math.atan2(2 * b, a - d);  // the page's y goes down
      c.globalAlpha = alpha;
      c.beginPath();
      c.ellipse(X(line[row][0]), Y(line[row][1]), radii[0], radii[1], turn, 0, 7);
      c.strokeStyle = '#0072b2';
      c.lineWidth = dpr;
      c.stroke();
      c.globalAlpha = 0.12 * alpha;
      c.fillStyle = '#0072b2';
      c.fill();
      c.globalAlpha = 1;
    }
  }

  plot.over.addEventListener('click', event => {
    const [x, y] = [plot.posToVal(event.offsetX, 'x'), plot.posToVal(event.offsetY, 'y')];
    let best = 0, nearest = Infinity;
    line.forEach((point, i) => {
      const far = Math.hypot(point[0] - x, point[1] - y);
      if (far < nearest) [best, nearest] = [i, far];
    });
    onSeek(data.t[best]);
  });

  const again = () => plot.setData([[0, 1], [0, 1]]);  // asks for the ranges anew
  return {
    show(row) { now = row; if (following) again(); else plot.redraw(false, false); },
    follow(on) { following = on; again(); },
    resize(w, h) { plot.setSize({ width: w, height: h }); again(); },
    worst,
  };
}
