// The heads of one layer, or of all layers, as pictures. The pictures of every layer arrive once
// (of a long text: three layers at a time); sliding a layer, hovering and locking repaint here, and
// Python hears only which layer and head are chosen.
//
// Pictures are uint8 lower triangles, [layer][head][query][key <= query]; 255 is an attention of 1.
// Text is only ever set as textContent or drawn on a canvas.

const SETTLE_MS = 200
const instances = new WeakMap()
const lastViews = new Map() // by component key: survives a remount of the component
const grids = new Set() // those on the page, for hovering in one to show in others

export default function (component) {
  const { data, parentElement } = component
  let grid = instances.get(parentElement)
  if (!grid) {
    grid = new HeadGrid(parentElement, component.key)
    instances.set(parentElement, grid)
  }
  grid.update(data, component.setStateValue)
  return () => {
    grid.close()
    instances.delete(parentElement)
  }
}

class HeadGrid {
  constructor(root, name) {
    const find = selector => root.querySelector(selector)
    this.find = find
    this.name = name
    this.slider = find("#layer")
    this.heads = find(".heads")
    this.large = find(".large")
    this.view = { layer: 0, head: null, turn: -1, ...lastViews.get(name) }
    this.focused = 0
    this.marked = null // the token whose row and column are marked
    this.pinned = null
    this.slider.oninput = () => this.show(Number(this.slider.value))
    this.heads.onkeydown = event => this.keyInHeads(event)
    find(".strip").onkeydown = event => this.keyInStrip(event)
    find(".strip").onmouseleave = () => this.together(grid => grid.mark(grid.pinned))
    this.large.onmousemove = event => this.hoverLarge(event)
    this.large.onmouseleave = () => this.together(grid => grid.unhover())
    grids.add(this)
    this.resized = new ResizeObserver(() => this.drawLarge())
    this.resized.observe(find(".lab"))
  }

  close() {
    grids.delete(this)
    clearTimeout(this.timer)
    this.resized.disconnect()
  }

  update(data, setStateValue) {
    const isNew = this.data?.id !== data.id || this.data.overview !== data.overview
    this.data = data
    this.setStateValue = setStateValue
    this.side = data.side
    this.cellCount = (data.side * (data.side + 1)) / 2
    this.colours = palette(data.palette)
    this.matches = new Set(data.highlight.map(([layer, head]) => `${layer}.${head}`))
    this.hidden = new Set(data.hidden.map(([layer, head]) => `${layer}.${head}`))
    if (data.view.turn !== this.view.turn) {
      clearTimeout(this.timer)
      this.view = { ...data.view } // the page or the address bar has chosen another view
    }
    if (isNew) {
      this.pictures = new Map() // layer -> cells of its heads
      this.rowLeft = new Map()
    }
    this.receive(data)
    if (isNew) {
      this.focused = this.view.head ?? 0
      this.slider.max = data.n_layers - 1
      this.find(".bar").hidden = data.overview
      this.buildStrip()
      this.buildThumbs()
    }
    this.buildRuler()
    this.show(this.view.layer, false)
  }

  receive(data) {
    const size = this.cellCount * data.n_heads
    const all = bytes(data.pictures)
    const left = data.row_left && bytes(data.row_left)
    const rows = data.tokens.length * data.n_heads
    data.layers.forEach((layer, index) => {
      this.pictures.set(layer, all.subarray(index * size, (index + 1) * size))
      if (left) this.rowLeft.set(layer, left.subarray(index * rows, (index + 1) * rows))
    })
  }

  // do the same in the grids that are linked with this one and show the same tokens
  together(act) {
    const { link, tokens } = this.data
    const isPeer = ({ data }) => link && data?.link === link && data.tokens.join("\n") === tokens.join("\n")
    grids.forEach(grid => (grid === this || isPeer(grid)) && act(grid))
  }

  // the picture of a head, or undefined while it has not arrived or is kept back
  cells(layer, head) {
    if (this.hidden.has(`${layer}.${head}`)) return undefined
    return this.pictures.get(layer)?.subarray(head * this.cellCount, (head + 1) * this.cellCount)
  }

  value(layer, head, query, key) {
    return this.cells(layer, head)[(query * (query + 1)) / 2 + key] / 255
  }

  buildStrip() {
    this.marked = this.pinned = null
    this.chips = this.data.tokens.map((token, index) => {
      const chip = document.createElement("button")
      chip.type = "button"
      chip.className = index === 0 && this.data.start ? "chip start" : "chip"
      chip.tabIndex = index === 0 ? 0 : -1
      chip.setAttribute("aria-pressed", "false")
      for (const character of token) {
        const sign = { " ": "·", "\n": "↵", "\t": "⇥" }[character]
        const piece = document.createElement("span")
        if (sign) piece.className = "sign"
        piece.textContent = sign ?? character
        chip.append(piece)
      }
      chip.onmouseenter = chip.onfocus = () => this.together(grid => grid.mark(index))
      chip.onblur = () => this.together(grid => grid.mark(grid.pinned))
      chip.onclick = () => this.pin(index)
      return chip
    })
    this.find(".strip").replaceChildren(...this.chips)
  }

  buildThumbs() {
    const { overview, n_layers, n_heads } = this.data
    const layers = overview ? Array.from({ length: n_layers }, (_, layer) => layer) : [null]
    this.heads.className = overview ? "heads all" : "heads"
    this.heads.style.setProperty("--heads", n_heads)
    this.heads.style.setProperty("--side", this.side)
    this.thumbs = []
    const rows = layers.map(layer => {
      const buttons = Array.from({ length: n_heads }, (_, head) => this.buildThumb(layer, head))
      if (!overview) return buttons
      const name = line("number", `layer ${layer}`)
      return [name, ...buttons]
    })
    this.heads.replaceChildren(...rows.flat())
    this.rove(overview ? this.view.layer * n_heads + this.focused : this.focused)
  }

  buildThumb(layer, head) {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "head"
    const frame = line("frame")
    const canvas = document.createElement("canvas")
    canvas.width = canvas.height = this.side
    canvas.setAttribute("aria-hidden", "true")
    frame.append(canvas, line("row"), line("column"))
    const [id, hint, label] = ["id", "hint", "label"].map(name => line(name))
    button.append(frame, id, hint, label)
    const index = this.thumbs.length
    const thumb = { layer, head, button, canvas, id, hint, label, image: new ImageData(this.side, this.side) }
    button.onclick = () => this.lock(thumb)
    button.onfocus = () => this.rove(index)
    canvas.onmousemove = event => this.hover(thumb, event)
    canvas.onmouseleave = () => this.together(grid => grid.unhover())
    this.thumbs.push(thumb)
    return button
  }

  buildRuler() {
    const ruler = this.find(".ruler")
    ruler.hidden = this.matches.size === 0 || this.data.overview
    const counts = new Map()
    this.data.highlight.forEach(([layer]) => counts.set(layer, (counts.get(layer) ?? 0) + 1))
    const buttons = [...counts].sort((a, b) => a[0] - b[0]).map(([layer, count]) => {
      const button = document.createElement("button")
      button.type = "button"
      button.textContent = `layer ${layer}: ${count}`
      button.onclick = () => this.show(layer)
      return button
    })
    ruler.replaceChildren("Marked heads in ", ...buttons)
  }

  show(layer, changed = true) {
    this.view.layer = layer
    lastViews.set(this.name, this.view)
    this.slider.value = layer
    this.find(".number").textContent = `${layer} (0 to ${this.data.n_layers - 1})`
    this.find(".help").textContent = this.help()
    this.thumbs.forEach(thumb => this.drawThumb(thumb))
    this.drawDetail()
    if (changed) this.tell()
  }

  help() {
    const { pool, lens, overview } = this.data
    return [
      "Arrow keys move between heads, Enter locks one, Escape releases it.",
      overview ? "" : "Page Up and Page Down change the layer.",
      pool > 1 ? `This text is long: each cell stands for ${pool} × ${pool} tokens and shows the largest value among them.` : "",
      lens ? "Sink lens: the first token is left out and each row shared out anew; faint pictures had little left." : "",
    ].filter(Boolean).join(" ")
  }

  layerOf(thumb) {
    return thumb.layer ?? this.view.layer
  }

  drawThumb(thumb) {
    const layer = this.layerOf(thumb)
    const { head } = thumb
    this.paint(thumb, this.cells(layer, head))
    thumb.canvas.style.opacity = 0.15 + 0.85 * (this.data.left?.[layer][head] ?? 1)
    thumb.canvas.parentElement.classList.toggle("kept", this.hidden.has(`${layer}.${head}`))
    const name = `L${layer}.H${head}`
    const isMatch = this.matches.has(`${layer}.${head}`)
    const hint = this.hint(layer, head)
    const label = this.data.labels?.[layer][head]
    thumb.id.textContent = isMatch ? `${name} ◆` : name
    thumb.hint.textContent = this.marked === null ? hint : this.looksMost(layer, head)
    thumb.label.textContent = label ?? ""
    const spoken = [`Layer ${layer} head ${head}: ${hint}`, label && `in general ${label}`, isMatch && "marked"]
    thumb.button.title = label ? `${name}: ${hint}; in general: ${label}` : `${name}: ${hint}`
    thumb.button.setAttribute("aria-label", spoken.filter(Boolean).join("; "))
    const isLocked = head === this.view.head && layer === this.view.layer
    thumb.button.setAttribute("aria-pressed", String(isLocked))
    thumb.button.classList.toggle("match", isMatch)
  }

  // the line under a picture: its shape, or how much the sink lens left of it
  hint(layer, head) {
    if (this.hidden.has(`${layer}.${head}`)) return "hidden until you answer"
    const left = this.data.left?.[layer][head]
    return left === undefined ? this.data.hints[layer][head] : `${whole(left)} left`
  }

  paint(thumb, cells) {
    const { side, colours } = this
    const pixels = new Uint32Array(thumb.image.data.buffer)
    if (!cells) pixels.fill(0)
    for (let query = 0, cell = 0; cells && query < side; query++) {
      const row = query * side
      for (let key = 0; key <= query; key++) pixels[row + key] = colours[cells[cell++]]
    }
    thumb.canvas.getContext("2d").putImageData(thumb.image, 0, 0)
  }

  // where a head looks most from the marked token
  looksMost(layer, head) {
    const query = this.cellOf(this.marked)
    if (!this.cells(layer, head)) return this.hint(layer, head)
    let best = 0
    for (let key = 0; key <= query; key++) {
      if (this.value(layer, head, query, key) > this.value(layer, head, query, best)) best = key
    }
    const value = this.value(layer, head, query, best)
    return value === 0 ? "→ nothing" : `→ ${this.short(best)} ${whole(value)}`
  }

  cellOf(position) {
    return Math.floor(position / this.data.pool)
  }

  mark(position) {
    if (position === this.marked) return
    this.marked = position
    this.heads.classList.toggle("marked", position !== null)
    if (position !== null) this.heads.style.setProperty("--at", this.cellOf(position))
    this.chips.forEach((chip, index) => chip.classList.toggle("query", index === position))
    this.find(".readout").textContent =
      position === null
        ? ""
        : `${this.named(this.cellOf(position))}: its row (solid) shows where it looks, its column (dashed) from where it is looked at.`
    this.thumbs.forEach(thumb => {
      const place = [this.layerOf(thumb), thumb.head]
      thumb.hint.textContent = position === null ? this.hint(...place) : this.looksMost(...place)
    })
  }

  pin(position) {
    this.pinned = this.pinned === position ? null : position
    this.chips.forEach((chip, index) => chip.setAttribute("aria-pressed", String(index === this.pinned)))
    this.mark(position)
    if (this.pinned === null) return
    const found = this.thumbs.map(thumb => `${thumb.id.textContent} ${thumb.hint.textContent}`)
    this.find(".live").textContent = `From ${this.named(this.cellOf(position))}: ${found.join("; ")}`
  }

  keyInStrip(event) {
    const at = this.chips.indexOf(event.target)
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (step && this.chips[at + step]) {
      this.chips[at].tabIndex = -1
      this.chips[at + step].tabIndex = 0
      this.chips[at + step].focus()
    } else if (event.key === "Escape" && this.pinned !== null) {
      this.pin(this.pinned)
      this.mark(null)
    } else {
      return
    }
    event.preventDefault()
  }

  lock(thumb) {
    const layer = this.layerOf(thumb)
    const isLocked = this.view.head === thumb.head && this.view.layer === layer
    this.view.head = isLocked ? null : thumb.head
    this.focused = thumb.head
    this.show(layer, false)
    this.tell(0)
    this.find(".live").textContent = this.view.head === null ? "No head locked." : this.spokenDetail()
  }

  rove(index) {
    this.focused = this.thumbs[index].head
    this.at = index
    this.thumbs.forEach((thumb, other) => {
      thumb.button.tabIndex = index === other ? 0 : -1
    })
  }

  keyInHeads(event) {
    const { overview, n_layers, n_heads } = this.data
    const columns = overview ? n_heads : getComputedStyle(this.heads).gridTemplateColumns.split(" ").length
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }
    const layers = overview ? {} : { PageUp: 1, PageDown: -1 }
    if (event.key in steps) {
      this.thumbs[this.at + steps[event.key]]?.button.focus()
    } else if (event.key in layers) {
      const next = this.view.layer + layers[event.key]
      if (next >= 0 && next < n_layers) {
        this.show(next)
        this.find(".live").textContent = `Layer ${next}`
      }
    } else if (event.key === "Escape" && this.view.head !== null) {
      this.view.head = null
      this.show(this.view.layer, false)
      this.tell(0)
      this.find(".live").textContent = "No head locked."
    } else {
      return
    }
    event.preventDefault()
  }

  hover(thumb, event) {
    const box = thumb.canvas.getBoundingClientRect()
    const key = Math.floor(((event.clientX - box.left) / box.width) * this.side)
    const query = Math.floor(((event.clientY - box.top) / box.height) * this.side)
    const layer = this.layerOf(thumb)
    this.together(grid => grid.readout(layer, thumb.head, query, key))
  }

  readout(layer, head, query, key) {
    this.unhover()
    if (query < 0 || query >= this.side || key < 0 || key > query || !this.cells(layer, head)) return
    const { pool } = this.data
    this.chips.forEach((chip, index) => {
      chip.classList.toggle("query", this.cellOf(index) === query)
      chip.classList.toggle("key", this.cellOf(index) === key)
    })
    const share = percent(this.value(layer, head, query, key))
    const rows = this.rowLeft.get(layer)
    const left = rows && pool === 1 ? ` of the ${percent(rows[head * this.data.tokens.length + query] / 255)} left` : ""
    this.find(".readout").textContent =
      `L${layer}.H${head}: from ${this.named(query)} (query) to ${this.named(key)} (key): ${pool > 1 ? "at most " : ""}${share}${left}`
  }

  unhover() {
    this.chips.forEach((chip, index) => {
      chip.classList.toggle("query", index === this.pinned)
      chip.classList.remove("key")
    })
    this.find(".readout").textContent = ""
  }

  // the words of a cell
  named(cell) {
    const { pool, tokens } = this.data
    const text = tokens.slice(cell * pool, (cell + 1) * pool).join("")
    return pool === 1 ? `“${text}” at ${cell}` : `“${text}” at ${cell * pool} to ${Math.min((cell + 1) * pool, tokens.length) - 1}`
  }

  short(cell) {
    const { pool, tokens } = this.data
    return tokens.slice(cell * pool, (cell + 1) * pool).join("").replace(/\n/g, "↵").trim() || "␣"
  }

  strongest(count) {
    const { layer, head } = this.view
    const pairs = []
    for (let query = 1; query < this.side; query++) {
      for (let key = 0; key <= query; key++) {
        pairs.push([this.value(layer, head, query, key), query, key])
      }
    }
    return pairs.sort((a, b) => b[0] - a[0]).slice(0, count)
  }

  drawDetail() {
    const { layer, head } = this.view
    const isShown = head !== null && Boolean(this.cells(layer, head))
    this.find(".detail").hidden = !isShown
    if (!isShown) return
    const label = this.data.labels?.[layer][head]
    const left = this.data.left?.[layer][head]
    this.find(".title").textContent = `L${layer}.H${head}`
    this.find(".facts").textContent = [
      `On this text: ${this.data.hints[layer][head]}.`,
      label && `In general: ${label}.`,
      left !== undefined && `Without the first token ${whole(left)} of its attention is left; the picture shares that out anew.`,
    ].filter(Boolean).join(" ")
    this.find(".pairs").replaceChildren(
      ...this.strongest(5).map(([value, query, key]) => {
        const item = document.createElement("li")
        item.textContent = `${this.named(query)} → ${this.named(key)}: ${percent(value)}`
        return item
      })
    )
    this.drawLarge()
  }

  spokenDetail() {
    const { layer, head } = this.view
    const pairs = this.strongest(5).map(
      ([value, query, key]) => `${this.short(query)} to ${this.short(key)} ${percent(value)}`
    )
    return `Head L${layer}.H${head} locked. ${this.find(".facts").textContent} Strongest: ${pairs.join("; ")}`
  }

  // the large picture: query down, key across, tokens on both axes where there is room
  drawLarge() {
    if (!this.data || this.view.head === null || this.find(".detail").hidden) return
    const { large, side } = this
    const width = large.clientWidth
    if (!width) return
    const scale = window.devicePixelRatio || 1
    large.width = large.height = width * scale
    const context = large.getContext("2d")
    context.scale(scale, scale)
    const labelled = side <= 48 && this.data.pool === 1
    const margin = labelled ? Math.min(110, width * 0.24) : 0
    const size = (width - margin) / side
    this.largeFrame = { margin, size }
    const { layer, head } = this.view
    const thumb = this.thumbs.find(thumb => this.layerOf(thumb) === layer && thumb.head === head)
    context.imageSmoothingEnabled = false
    context.drawImage(thumb.canvas, margin, margin, size * side, size * side)
    if (!labelled) return
    const style = getComputedStyle(large)
    context.fillStyle = style.color
    context.font = `${Math.max(8, Math.min(13, size * 0.8))}px ${style.fontFamily}`
    context.textBaseline = "middle"
    this.data.tokens.forEach((_, index) => {
      const words = fitted(context, this.short(index), margin - 8)
      const middle = margin + (index + 0.5) * size
      context.textAlign = "right"
      context.fillText(words, margin - 5, middle)
      context.save()
      context.translate(middle, margin - 5)
      context.rotate(-Math.PI / 2)
      context.textAlign = "left"
      context.fillText(words, 0, 0)
      context.restore()
    })
  }

  hoverLarge(event) {
    if (!this.largeFrame) return
    const box = this.large.getBoundingClientRect()
    const { margin, size } = this.largeFrame
    const key = Math.floor((event.clientX - box.left - margin) / size)
    const query = Math.floor((event.clientY - box.top - margin) / size)
    const { layer, head } = this.view
    this.together(grid => grid.readout(layer, head, query, key))
  }

  // Python hears of a slide once it has settled, and of a locked head at once
  tell(delay = SETTLE_MS) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.setStateValue("view", { layer: this.view.layer, head: this.view.head })
    }, delay)
  }
}

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

function percent(value) {
  return `${(100 * value).toFixed(1)} %`
}

function whole(value) {
  return `${Math.round(100 * value)} %`
}

function fitted(context, words, width) {
  let text = words
  while (text.length > 1 && context.measureText(text).width > width) text = text.slice(0, -1)
  return text === words ? text : `${text.slice(0, -1)}…`
}
