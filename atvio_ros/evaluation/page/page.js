// The page: reads its data, draws all parts, and moves them together when the time does.
'use strict';

(function () {
  const data = JSON.parse(document.getElementById('data').textContent);
  const at = id => document.getElementById(id), last = data.t[data.t.length - 1];
  const v = data.values, pictureTimes = data.pictures.map(each => each[0]);
  let time = 0, playing = false, before = 0;

  at('name').textContent = data.name;
  at('model').textContent = data.model;
  for (const [name, value, meaning] of data.figures) {
    const item = element('li');
    item.title = meaning;
    item.append(element('span', name), element('b', value));
    at('figures').append(item);
  }
  if (!data.pictures.length) {
    at('seen').classList.add('none');
    at('scene').classList.add('wide');
  }

  const mapSize = () => [at('above').clientWidth, at('seen').clientHeight > 200 ? at('seen').clientHeight : 380];
  const map = makeMap(at('map'), data, ...mapSize(), seek);
  const panels = makePanels(at('panels'), data, seek);
  legend();
  tables();
  strip();

  const slider = at('slider');
  slider.max = last;
  slider.addEventListener('input', () => seek(Number(slider.value)));
  slider.addEventListener('keydown', event => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (step) {
      event.preventDefault();
      seek(data.t[Math.min(data.t.length - 1, Math.max(0, indexAt(data.t, time) + step))]);
    }
  });
  at('play').addEventListener('click', () => play(!playing));
  document.addEventListener('keydown', event => {
    if (event.key === ' ' && !['BUTTON', 'SELECT'].includes(event.target.tagName)) {
      event.preventDefault();
      play(!playing);
    }
  });
  at('follow').addEventListener('change', event => map.follow(event.target.checked));
  const resize = () => { map.resize(...mapSize()); panels.resize(); };
  window.addEventListener('resize', resize);
  at('picture').addEventListener('load', resize, { once: true });

  function seek(t) {
    time = Math.min(last, Math.max(0, t));
    const row = indexAt(data.t, time);
    slider.value = time;
    if (pictureTimes.length) {
      const uri = data.pictures[indexAt(pictureTimes, time + 1e-6)][1];
      if (at('picture').src !== uri) at('picture').src = uri;
    }
    map.show(row);
    panels.show(time);
    const state = wordAt(data.states, row);
    const words = [
      ['time', fixed(time, 2, 's')], ['way', fixed(data.distance[row], 1, 'm')],
      ['speed', fixed(v.speed && v.speed[row], 2, 'm/s')],
      ['road', v.road_sigma && fixed(v.road_sigma[row], 2, 'm/s sigma')],
      ['error', v.error && fixed(v.error[row], 2, 'm')],
      ['attention on vision', v.attention_visual && fixed(v.attention_visual[row], 2, '')], ['state', state],
    ];
    at('now').replaceChildren(...words.filter(each => each[1]).map(([name, value]) => {
      const item = element('span');
      item.append(element('i', name), value);
      return item;
    }));
    at('message').textContent = wordAt(data.messages, row);
    document.body.dataset.time = time.toFixed(3);
    document.body.dataset.row = row;
  }

  function play(on) {
    if (on && time >= last) seek(0);
    playing = on;
    document.body.dataset.playing = on ? 'yes' : 'no';
    at('play').textContent = on ? '\u23f8' : '\u25b6';
    before = performance.now();
    if (on) requestAnimationFrame(step);
  }

  function step(moment) {
    if (!playing) return;
    seek(time + Math.max(0, moment - before) / 1000 * Number(at('rate').value));
    before = moment;
    if (time >= last) play(false); else requestAnimationFrame(step);
  }

  function legend() {
    const entry = (colour, text) => {
      const mark = element('i');
      mark.style.background = colour;
      at('legend').append(mark, text);
    };
    if (data.truth) entry('#b9bdc5', 'truth');
    if (v.error) entry(`linear-gradient(90deg, ${[0, 0.5, 1].map(errorColour).join(',')})`, `estimate, error 0 to ${map.worst.toFixed(2)} m`);
    else entry('#0072b2', 'estimate');
    if (v.cov_xx) entry('#0072b259', '95 % ellipses');
  }

  function strip() {
    data.states.forEach(([row, state], i) => {
      const until = i + 1 < data.states.length ? data.t[data.states[i + 1][0]] : last;
      const part = element('i');
      part.style.left = 100 * data.t[row] / last + '%';
      part.style.width = 100 * (until - data.t[row]) / last + '%';
      part.style.background = STATE_COLOURS[state] || OTHER_STATE;
      part.title = state;
      at('strip').append(part);
    });
  }

  function tables() {
    const number = (value, digits) => value === null || value === undefined ? '-' : value.toFixed(digits);
    if (data.lengths.length) {
      const rows = data.lengths.map(each => [number(each.centre, 0), number(each.t_rel, 2), number(each.r_rel, 2), String(each.segments)]);
      at('tables').append(table('errors by length', ['length m', 'way %', 'rotation deg/100 m', 'segments'], rows));
    }
    const rowsIn = word => data.states.reduce((sum, [row, state], i) =>
      sum + (state === word ? (i + 1 < data.states.length ? data.states[i + 1][0] : data.t.length) - row : 0), 0);
    const states = [...new Set(data.states.map(each => each[1]))].map(word => [word, `${rowsIn(word)} estimates`]);
    if (data.counts.length) at('tables').append(table('counts', null, data.counts.concat(states)));
    if (data.made.length) at('tables').append(table('what made it', null, data.made));
  }

  const asked = /^#t=([0-9.]+)$/.exec(location.hash);
  seek(asked ? Number(asked[1]) : 0);
  document.body.dataset.ready = 'yes';
})();
