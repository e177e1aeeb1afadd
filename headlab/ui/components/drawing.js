// What every drawing of attention shares: colours, numbers as words, and one square map with its
// labels. It is put before the script of a component.

const LABEL_PX = 12 // the least room a label needs; where there is less, fewer are drawn

function line(name, words = "") {
  const element = document.createElement("span")
  element.className = name
  element.textContent = words
  return element
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), character => character.charCodeAt(0))
}

// 256 colours, as the pixels of a little-endian canvas, between evenly spaced "#rrggbb" stops
function palette(stops) {
  const rgb = stops.map(stop => [1, 3, 5].map(at => parseInt(stop.slice(at, at + 2), 16)))
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const place = (value / 255) * (rgb.length - 1)
    const below = Math.min(Math.floor(place), rgb.length - 2)
    const [red, green, blue] = [0, 1, 2].map(channel =>
      Math.round(rgb[below][channel] + (rgb[below + 1][channel] - rgb[below][channel]) * (place - below))
    )
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0
  })
}

// a lower triangle of 0 to 255, row by row, as the pixels of a square image
function paintTriangle(image, cells, colours) {
  const side = image.width
  const pixels = new Uint32Array(image.data.buffer)
  if (!cells) pixels.fill(0)
  for (let query = 0, cell = 0; cells && query < side; query++) {
    const row = query * side
    for (let key = 0; key <= query; key++) pixels[row + key] = colours[cells[cell++]]
  }
}

function percent(value) {
  return value > 0 && value < 0.001 ? "< 0.1 %" : `${(100 * value).toFixed(1)} %`
}

function whole(value) {
  return `${Math.round(100 * value)} %`
}

function visible(token) {
  return token.replace(/ /g, "·").replace(/\n/g, "↵").replace(/\t/g, "⇥")
}

function fitted(context, words, width) {
  let text = words
  while (text.length > 1 && context.measureText(text).width > width) text = text.slice(0, -1)
  return text === words ? text : `${text.slice(0, -1)}…`
}

// One map, query down and key across, with the hatching where nothing can be looked at. `picture`
// is a canvas of one pixel a cell; `names` are the words of the cells, none where a cell holds many
// tokens; `outlined` are cells [query, key] in two colours of frame that show on any ground. Gives
// where the cells lie.
function drawMap(canvas, picture, names, { outlined = [], opacity = 1, row = null } = {}) {
  const width = canvas.clientWidth
  if (!width) return null
  const side = picture.width
  const scale = window.devicePixelRatio || 1
  canvas.width = canvas.height = Math.round(width * scale)
  const context = canvas.getContext("2d")
  context.scale(scale, scale)
  const style = getComputedStyle(canvas)
  const margin = names.length ? Math.min(96, Math.max(44, width * 0.2)) : 0
  const size = (width - margin) / side
  const frame = { margin, size }
  hatch(context, margin, margin, width - margin, style)
  context.imageSmoothingEnabled = false
  context.globalAlpha = opacity
  context.drawImage(picture, margin, margin, size * side, size * side)
  context.globalAlpha = 1
  for (const [colour, line] of [["#0c151e", 3], ["#ffffff", 1.2]]) {
    context.strokeStyle = colour
    context.lineWidth = line
    outlined.forEach(([query, key]) =>
      context.strokeRect(margin + key * size + 1, margin + query * size + 1, Math.max(1, size - 2), Math.max(1, size - 2))
    )
    if (row !== null) context.strokeRect(margin, margin + row * size, size * (row + 1), size)
  }
  if (!names.length) return frame
  const every = Math.max(1, Math.ceil(LABEL_PX / size)) // fewer labels, not smaller ones
  context.fillStyle = style.color
  context.font = `${Math.max(11, Math.min(13, size * every * 0.8))}px ${style.fontFamily}`
  context.textBaseline = "middle"
  for (let index = 0; index < names.length; index += every) {
    const words = fitted(context, names[index], margin - 12)
    const middle = margin + (index + 0.5) * size
    context.textAlign = "right"
    context.fillText(words, margin - 5, middle)
    context.save()
    context.translate(middle, margin - 5)
    context.rotate(-Math.PI / 2)
    context.textAlign = "left"
    context.fillText(words, 0, 0)
    context.restore()
  }
  return frame
}

// the ground of the half where nothing can be looked at, the same as behind small pictures; its two
// colours stand where the style sheet can work them out for a light and a dark page
function hatch(context, left, top, size, style) {
  context.fillStyle = style.columnRuleColor
  context.fillRect(left, top, size, size)
  context.save()
  context.beginPath()
  context.rect(left, top, size, size)
  context.clip()
  context.strokeStyle = style.outlineColor
  context.lineWidth = 1
  context.beginPath()
  for (let at = -size; at < size; at += 6) {
    context.moveTo(left + at, top)
    context.lineTo(left + at + size, top + size)
  }
  context.stroke()
  context.restore()
}

