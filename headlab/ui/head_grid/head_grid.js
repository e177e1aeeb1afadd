// Twelve heads of one layer as pictures. The patterns of every layer arrive once; sliding a layer,
// hovering and locking repaint here, and Python hears only which layer and head are chosen.
//
// Patterns are uint8 lower triangles, [layer][head][query][key <= query]; 255 is an attention of 1.
// Text is only ever set as textContent or drawn on a canvas.

const SETTLE_MS = 200
const instances = new WeakMap()

export default function (component) {
  const { data, parentElement } = component
  let grid = instances.get(parentElement)
  if (!grid) {
    grid = new HeadGrid(parentElement)
    instances.set(parentElement, grid)
  }
  grid.update(data, component.setStateValue)
  return () => {
    grid.close()
    instances.delete(parentElement)
  }
}

class HeadGrid {
  constructor(root) {
    const find = selector => root.querySelector(selector)
    this.find = find
    this.slider = find("#layer")
    this.heads = find(".heads")
    this.large = find(".large")
    this.layer = 0
    this.head = null
    this.focused = 0
    this.thumbs = []
    this.slider.oninput = () => this.show(Number(this.slider.value))
    this.heads.onkeydown = event => this.key(event)
    this.large.onmousemove = event => this.hoverLarge(event)
    this.large.onmouseleave = () => this.unhover()
    this.resized = new ResizeObserver(() => this.drawLarge())
    this.resized.observe(find(".lab"))
  }

  close() {
    clearTimeout(this.timer)
    this.resized.disconnect()
  }

  update(data, setStateValue) {
    const isNew = this.data?.id !== data.id
    this.data = data
    this.setStateValue = setStateValue
    this.n = data.tokens.length
    this.colours = palette(data.palette)
    if (isNew) {
      clearTimeout(this.timer)
      this.cells = bytes(data.patterns)
      this.adopt(data)
      this.slider.max = data.n_layers - 1
      this.buildStrip()
      this.buildThumbs()
    } else if (!same(data, this.given) && !same(data, this.told)) {
      this.adopt(data) // the address bar has chosen another view
    }
    this.given = { layer: data.layer, head: data.head }
    this.show(this.layer, false)
  }

  adopt(view) {
    this.layer = view.layer
    this.head = view.head
    this.focused = view.head ?? 0
    this.told = null
  }

  // where the triangle of a head of this layer begins
  offset(head, layer = this.layer) {
    return (layer * this.data.n_heads + head) * (this.n * (this.n + 1)) / 2
  }

  value(head, query, key) {
    return this.cells[this.offset(head) + (query * (query + 1)) / 2 + key] / 255
  }

  buildStrip() {
    this.chips = this.data.tokens.map((token, index) => {
      const chip = document.createElement("span")
      chip.className = index === 0 && this.data.start ? "chip start" : "chip"
      chip.setAttribute("role", "listitem")
      for (const character of token) {
        const mark = { " ": "·", "\n": "↵", "\t": "⇥" }[character]
        const piece = document.createElement("span")
        if (mark) piece.className = "mark"
        piece.textContent = mark ?? character
        chip.append(piece)
      }
      return chip
    })
    this.find(".strip").replaceChildren(...this.chips)
  }

  buildThumbs() {
    this.thumbs = Array.from({ length: this.data.n_heads }, (_, head) => {
      const button = document.createElement("button")
      button.type = "button"
      button.className = "head"
      const canvas = document.createElement("canvas")
      canvas.width = canvas.height = this.n
      canvas.setAttribute("aria-hidden", "true")
      const [id, hint, label] = ["id", "hint", "label"].map(name => {
        const line = document.createElement("span")
        line.className = name
        return line
      })
      button.append(canvas, id, hint, label)
      button.onclick = () => this.lock(head)
      button.onfocus = () => this.rove(head)
      canvas.onmousemove = event => this.hover(head, canvas, event)
      canvas.onmouseleave = () => this.unhover()
      return { button, canvas, id, hint, label, image: new ImageData(this.n, this.n) }
    })
    this.heads.replaceChildren(...this.thumbs.map(thumb => thumb.button))
    this.rove(this.focused)
  }

  show(layer, changed = true) {
    this.layer = layer
    this.slider.value = layer
    this.find(".number").textContent = `${layer} (0 to ${this.data.n_layers - 1})`
    this.thumbs.forEach((thumb, head) => this.drawThumb(thumb, head))
    this.drawDetail()
    if (changed) this.tell()
  }

  drawThumb(thumb, head) {
    const { n, colours, cells } = this
    const pixels = new Uint32Array(thumb.image.data.buffer)
    let cell = this.offset(head)
    for (let query = 0; query < n; query++) {
      const row = query * n
      for (let key = 0; key <= query; key++) pixels[row + key] = colours[cells[cell++]]
    }
    thumb.canvas.getContext("2d").putImageData(thumb.image, 0, 0)
    const hint = this.data.hints[this.layer][head]
    const label = this.data.labels?.[this.layer][head]
    thumb.id.textContent = `L${this.layer}.H${head}`
    thumb.hint.textContent = hint
    thumb.label.textContent = label ?? ""
    thumb.button.title = label ? `${hint}; in general: ${label}` : hint
    const spoken = `Layer ${this.layer} head ${head}: ${hint}${label ? `; in general ${label}` : ""}`
    thumb.button.setAttribute("aria-label", spoken)
    thumb.button.setAttribute("aria-pressed", String(head === this.head))
  }

  lock(head) {
    this.head = this.head === head ? null : head
    this.focused = head
    this.show(this.layer)
    this.find(".live").textContent = this.head === null ? "No head locked." : this.spokenDetail()
  }

  rove(head) {
    this.focused = head
    this.thumbs.forEach((thumb, index) => {
      thumb.button.tabIndex = index === head ? 0 : -1
    })
  }

  key(event) {
    const columns = getComputedStyle(this.heads).gridTemplateColumns.split(" ").length
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }
    const layers = { PageUp: 1, PageDown: -1 }
    if (event.key in steps) {
      const next = this.focused + steps[event.key]
      if (next >= 0 && next < this.thumbs.length) this.thumbs[next].button.focus()
    } else if (event.key in layers) {
      const next = this.layer + layers[event.key]
      if (next >= 0 && next < this.data.n_layers) {
        this.show(next)
        this.find(".live").textContent = `Layer ${next}`
      }
    } else if (event.key === "Escape" && this.head !== null) {
      this.lock(this.head)
    } else {
      return
    }
    event.preventDefault()
  }

  hover(head, canvas, event) {
    const box = canvas.getBoundingClientRect()
    const key = Math.floor(((event.clientX - box.left) / box.width) * this.n)
    const query = Math.floor(((event.clientY - box.top) / box.height) * this.n)
    this.readout(head, query, key)
  }

  readout(head, query, key) {
    this.unhover()
    if (query < 0 || query >= this.n || key < 0 || key > query) return
    this.chips[query].classList.add("query")
    this.chips[key].classList.add("key")
    const share = percent(this.value(head, query, key))
    this.find(".readout").textContent =
      `L${this.layer}.H${head}: from ${this.named(query)} (query) to ${this.named(key)} (key): ${share}`
  }

  unhover() {
    this.chips.forEach(chip => chip.classList.remove("query", "key"))
    this.find(".readout").textContent = ""
  }

  named(position) {
    return `“${this.data.tokens[position]}” at ${position}`
  }

  strongest(count) {
    const pairs = []
    for (let query = 1; query < this.n; query++) {
      for (let key = 0; key <= query; key++) {
        pairs.push([this.value(this.head, query, key), query, key])
      }
    }
    return pairs.sort((a, b) => b[0] - a[0]).slice(0, count)
  }

  drawDetail() {
    this.find(".detail").hidden = this.head === null
    if (this.head === null) return
    const label = this.data.labels?.[this.layer][this.head]
    this.find(".title").textContent = `L${this.layer}.H${this.head}`
    this.find(".facts").textContent =
      `On this text: ${this.data.hints[this.layer][this.head]}.` + (label ? ` In general: ${label}.` : "")
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
    const pairs = this.strongest(5).map(
      ([value, query, key]) => `${this.data.tokens[query]} to ${this.data.tokens[key]} ${percent(value)}`
    )
    return `Head L${this.layer}.H${this.head} locked. ${this.find(".facts").textContent} Strongest: ${pairs.join("; ")}`
  }

  // the large picture: query down, key across, tokens on both axes where there is room
  drawLarge() {
    if (this.head === null || !this.data) return
    const { large, n } = this
    const width = large.clientWidth
    if (!width) return
    const scale = window.devicePixelRatio || 1
    large.width = large.height = width * scale
    const context = large.getContext("2d")
    context.scale(scale, scale)
    const labelled = n <= 48
    const margin = labelled ? Math.min(110, width * 0.24) : 0
    const size = (width - margin) / n
    this.largeFrame = { margin, size }
    const image = this.thumbs[this.head].canvas
    context.imageSmoothingEnabled = false
    context.drawImage(image, margin, margin, size * n, size * n)
    if (!labelled) return
    const style = getComputedStyle(large)
    context.fillStyle = style.color
    context.font = `${Math.max(8, Math.min(13, size * 0.8))}px ${style.fontFamily}`
    context.textBaseline = "middle"
    this.data.tokens.forEach((token, index) => {
      const words = fitted(context, token.replace(/\n/g, "↵").trim() || "␣", margin - 8)
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
    this.readout(this.head, query, key)
  }

  // Python hears the choice once it has settled
  tell() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.told = { layer: this.layer, head: this.head }
      this.setStateValue("view", { ...this.told, id: this.data.id })
    }, SETTLE_MS)
  }
}

function same(view, other) {
  return Boolean(other) && view.layer === other.layer && view.head === other.head
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

function fitted(context, words, width) {
  let text = words
  while (text.length > 1 && context.measureText(text).width > width) text = text.slice(0, -1)
  return text === words ? text : `${text.slice(0, -1)}…`
}
